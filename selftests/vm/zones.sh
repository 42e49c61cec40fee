#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Two clients with the same address, one of them in a VRF: the original direction of each flow is in the zone of its
# network, the replies are in none. Also a zone of the reply direction only, and of both.
#
#   client  $CLIENT ─ lan ─────── fw1 (then fw2) ── server
#   client2 $CLIENT ─ red, in VRF ──┘

. ./lib.sh || exit
. ./flows.bash

RED_TABLE=10

# The flow's network is its zone and its mark; the mark routes the replies.
zones() {
	on "$1" nft -f - <<-EOF
		flush ruleset
		table ip zones {
			chain zones {
				type filter hook prerouting priority raw;
				iifname lan tcp sport 5001 ct reply zone set 3
				iifname wan tcp dport 5001 ct reply zone set 3
				iifname lan tcp sport 5002 ct zone set 4
				iifname wan tcp dport 5002 ct zone set 4
				iifname lan tcp sport 5000 ct original zone set 1
				iifname red ct original zone set 2
			}
			chain marks {
				type filter hook prerouting priority mangle;
				iifname lan ct state new ct mark set 1
				iifname red ct state new ct mark set 2
				iifname wan meta mark set ct mark
			}
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established accept
				ct state new iifname { lan, red, vrf-red } oifname wan accept
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan snat to $WAN.1
			}
		}
	EOF
}

# Gives a firewall an interface into the second client's network, in a VRF.
red() {
	local node=$1 address=$2
	later switches link add "red.$node" type veth peer name red netns "$node"
	later switches link set "red.$node" master red up
	later "$node" link add vrf-red type vrf table $RED_TABLE
	later "$node" link set vrf-red up
	later "$node" link set red master vrf-red up
	later "$node" address add "$address/24" dev red
	later "$node" route add default via $SERVER dev wan table $RED_TABLE
	later "$node" rule add pref 100 fwmark 2 table $RED_TABLE
	flush switches "$node"
}

# move NODE: as `takeover`, in both networks.
move() {
	local node
	for node in $FIREWALLS; do
		[ "$node" = "$1" ] || ip -n "$node" address delete $LAN.1/24 dev red 2>/dev/null
	done
	later "$1" address replace $LAN.1/24 dev red
	later client2 neighbour flush dev red
	flush "$1" client2
	takeover "$1"
}

# both NODE: whether the node has a flow of each client, with the same tuple.
both() {
	has "$1" "src=$CLIENT dst=$SERVER sport=5000 dport=7 zone-orig=1 .*mark=1" &&
		has "$1" "src=$CLIENT dst=$SERVER sport=5000 dport=7 zone-orig=2 .*mark=2"
}

# insert A PORT B PORT [OPTIONS]: makes an entry on fw1 whose original direction is from A to B.
insert() { on fw1 conntrack -I -p udp -s "$1" --sport "$2" -d "$3" --dport "$4" -t 600 "${@:5}"; }

# Pairs of entries on fw1: the first has its original direction in zone 7, where it is not the same as the reply direction
# of the second, which is in no zone. The walk of a resync tells of some pairs in this order, of others the other way.
PAIRS='1 2 3 4 5 6'
insert_pairs() {
	local port
	for port in $PAIRS; do
		insert $LAN.7 "$port" $WAN.7 2 --orig-zone 7 --src-nat $WAN.1 &&
			insert $WAN.7 2 $LAN.7 "$port" || return
	done
}

# Whether a node has all pairs.
pairs() {
	local count
	count=$(has "$1" "$LAN\\.7" | wc -l)
	echo "$1: $count entries"
	[ "$count" = 12 ]
}

ALL='one two reply whole'

topology
ip netns add client2
later client2 link set lo up
later switches link add red type bridge forward_delay 0 mcast_snooping 0
later switches link set red up
flush switches client2
link client2 red red $CLIENT/24
ip -n client2 route add default via $LAN.1
red fw1 $LAN.2
red fw2 $LAN.3
for node in $FIREWALLS; do
	check "$node has the rules" zones "$node"
done
move fw1
start_flows
flow listen server 7
check "pairs of entries with the same tuple" insert_pairs
check "ct_sync starts" start_ct_sync
check "the resync brings them all" wait_until pairs fw2
check "a flow opens in the first network" flow open one client tcp $SERVER 7 5000
check "one with the same tuple opens in the second" flow open two client2 tcp $SERVER 7 5000
check "one whose replies are in a zone" flow open reply client tcp $SERVER 7 5001
check "one that is in a zone" flow open whole client tcp $SERVER 7 5002
# shellcheck disable=SC2086 # a list of words
check "they pass" flows echo $ALL
check "the primary has both" both fw1
check "the backup has both" wait_until both fw2
check "and the zone of the replies" has fw2 'sport=5001 dport=7 src=.*zone-reply=3'
check "and that of both directions" has fw2 'sport=5002 .*zone=4'
check "the tables are equal" wait_until same_tables

knob fw1 state 0
move fw2
knob fw2 state 1
# shellcheck disable=SC2086
check "they pass after the takeover" flows echo $ALL
check "the new primary has both still" both fw2
check "the old primary is in step" wait_until is fw1 synced 1
check "one of the two ends" flow reset one
check "the other stays on both" flow echo two
check "the end of the first reaches the old primary" wait_until hasnt fw1 'ESTABLISHED .*zone-orig=1 '
check "the other's entry is there" has fw1 'ESTABLISHED .*zone-orig=2'
check "the tables are equal at the end" wait_until same_tables
finish
