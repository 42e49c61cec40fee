#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 150
#
# Primary and backup change places, again and again: flows that were opened before each change live on, epochs rise, a
# demoted primary harms nobody, and timeouts and TCP windows become the protocol's own again.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# Masquerade by the virtual address: its entries die on the node that loses the address. Forged segments are counted.
ruleset() {
	on "$1" nft -f - <<-EOF
		flush ruleset
		table ip nat {
			chain postrouting { type nat hook postrouting priority srcnat; oifname wan masquerade; }
		}
		table inet filter {
			counter passed { }
			counter refused { }
			chain forward {
				type filter hook forward priority filter; policy drop;
				tcp window 4321 ct state established counter name passed accept
				tcp window 4321 ct state invalid counter name refused drop
				ct state established accept
				ct state invalid drop
				tcp flags & (fin | syn | rst | ack) == syn accept
				meta l4proto udp accept
			}
		}
	EOF
}

# forged NODE COUNTER: sends forged segments until one is counted there.
forged() { flow forge "$3" && on "$1" nft list counter inet filter "$2" | grep -qE 'packets [1-9]'; }

# refuses VALUE: whether `state` refuses a value and stays what it is.
refuses() { ! knob fw1 state "$1" 2>/dev/null && [ "$(knob fw1 state)" = 1 ]; }

# accepts VALUE NUMBER: whether `state` takes a value, and shows it as a number.
accepts() { knob fw1 state "$1" && [ "$(knob fw1 state)" = "$2" ]; }

# own_timeouts NODE: whether every entry expires within the longest time of any protocol (TCP established, 5 days).
own_timeouts() {
	on "$1" conntrack -L 2>/dev/null | awk '$3 > 432000 {print; bad = 1} END {exit bad}'
}

# pinned NODE: whether no forwarded entry does.
pinned() { ! on "$1" conntrack -L --orig-src $CLIENT 2>/dev/null | awk '$3 <= 432000' | grep .; }

# change FROM TO: moves role and addresses, as keepalived does.
change() {
	knob "$1" state 0
	takeover "$2"
	knob "$2" state 1
}

# opened NUMBER: opens a TCP and a UDP flow.
opened() {
	flow open "tcp$1" client tcp $SERVER 7 "100$1" && flow open "udp$1" client udp $SERVER 7 "100$1" &&
		flows echo "tcp$1" "udp$1"
}

# higher NODE: whether its epoch has risen since the last call.
highest=0
higher() {
	local epoch
	epoch=$(value "$1" epoch)
	echo "epoch of $1 is $epoch, was $highest"
	[ "$epoch" -gt "$highest" ]
}

topology
for node in $FIREWALLS; do
	ip -n "$node" address flush dev wan scope global
done
takeover fw1
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "a primary is synced" [ "$(knob fw1 synced)" = 1 ]
check "a synced backup says so" [ "$(knob fw2 synced)" = 1 ]

for word in '' 3 -1 master 1x; do
	check "state refuses '$word'" refuses "$word"
done
check "state takes the word" accepts backup 0
check "with two backups none is synced" wait_until is fw2 synced 0
check "with two backups none is synced, the other" wait_until is fw1 synced 0
check "state takes the historic number" accepts 2 1
check "state takes the word of what it is" accepts primary 1
check "the backup is synced again" wait_until is fw2 synced 1

check "flows open" opened 1
check "they are on the backup" wait_until same_tables
check "where they are pinned" pinned fw2
highest=$(value fw1 epoch)

change fw1 fw2
check "the epoch is higher" higher fw2
highest=$(value fw2 epoch)
check "the flows pass" flows echo tcp1 udp1
check "timeouts are the protocol's own" wait_until own_timeouts fw2
check "a segment outside of the window passes during the grace" wait_until forged fw2 passed tcp1
check "the old primary is in step" wait_until is fw1 synced 1
check "the tables are equal" wait_until same_tables fw2 fw1
check "what it had itself is pinned now" wait_until pinned fw1

check "flows open on the second primary" opened 2
check "they are on its backup" wait_until same_tables fw2 fw1
knob fw1 tcp_grace 1
check "the backup with other settings is synced" wait_until is fw1 synced 1
change fw2 fw1
check "the epoch is higher again" higher fw1
highest=$(value fw1 epoch)
check "all flows pass" flows echo tcp1 udp1 tcp2 udp2
check "a segment outside of the window is refused after the grace" wait_until forged fw1 refused tcp2
check "flows open on the first primary" opened 3
check "its backup is in step" wait_until is fw2 synced 1
check "the tables are equal after two changes" wait_until same_tables

# The worst order: the old primary loses its address, and its masqueraded entries, while it still thinks that it is primary.
knob fw2 state 1
takeover fw2
check "the old primary has lost what it masqueraded" wait_until hasnt fw1 "sport=1003"
check "the new one has not" has fw2 "ESTABLISHED .*sport=1003"
check "two primaries are noticed" wait_until is fw1 split_brain_seen 1
knob fw1 state 0
check "the epoch is higher the third time" higher fw2
check "all flows pass the third time" flows echo tcp1 udp1 tcp2 udp2 tcp3 udp3
check "the old primary is in step the third time" wait_until is fw1 synced 1
check "it has the entries back" wait_until same_tables fw2 fw1

ip -n fw1 link delete sync
check "a lost interface stops replication" wait_until is fw1 running 0
check "the entries are still pinned" pinned fw1
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "a node without its interface becomes primary all the same" own_timeouts fw1
check "all flows pass through it" flows echo tcp1 udp1 tcp2 udp2 tcp3 udp3
check "on the other they are pinned" wait_until pinned fw2
check "the module unloads" modprobe -r ct_sync
check "nothing stays pinned without it" own_timeouts fw2
finish
