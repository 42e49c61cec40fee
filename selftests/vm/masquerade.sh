#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Masquerade, and a takeover as VRRP makes it: the primary loses its address, or its interface, a moment before it is told that it is
# a backup, and the kernel ends every connection that was masqueraded to it. They go on through the other node, and back. A
# primary that only lost an address, and stays primary, has its backups forget what it forgot.
#
# time: 180

. ./lib.sh || exit
. ./flows.bash

# The rules of a firewall: stateful, the client's flows get the address of wan, whatever that is.
ruleset() {
	on "$1" nft -f - <<-EOF_RULES
		flush ruleset
		table inet nat {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan masquerade
			}
		}
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname lan tcp flags & (fin | syn | rst | ack) == syn accept
			}
		}
	EOF_RULES
}

# The flows that go on of those that are named.
go_on() {
	local name count=0
	for name in "$@"; do
		flow echo "$name" >/dev/null && count=$((count + 1))
	done
	echo "$count of $# go on"
	[ "$count" = $# ]
}

# takes_over NODE: NODE has the addresses, and then it is told so; it waits until the other one is in sync.
takes_over() {
	local other=fw1
	[ "$1" = fw2 ] || other=fw2
	knob "$other" state 0
	takeover "$1"
	knob "$1" state 1
	wait_until is "$other" synced 1
}

topology
# The address of wan is the virtual one alone, so that this is what the kernel takes.
for node in $FIREWALLS; do
	ip -n "$node" address flush dev wan scope global
done
takeover fw1
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync

port=1000 opened=()
for how in address interface; do
	port=$((port + 1))
	opened+=("$how")
	check "a connection is opened ($how)" flow open "$how" client tcp $SERVER 7 $port
	check "it is masqueraded, and the backup has it ($how)" wait_until has fw2 "ESTABLISHED .*sport=$port .*dst=$WAN.1 "
	check "it answers ($how)" flow echo "$how"
	case $how in
	address) release fw1 ;;
	interface) ip -n fw1 link set wan down ;;
	esac
	check "the primary's kernel has ended it ($how)" wait_until hasnt fw1 "ESTABLISHED .*sport=$port "
	check "the primary counts that it says nothing ($how)" wait_until at_least fw1 ends_by_lost_address 1
	check "the backup has it still ($how)" has fw2 "ESTABLISHED .*sport=$port "
	ip -n fw1 link set wan up
	check "the other takes over ($how)" takes_over fw2
	check "all go on ($how)" go_on "${opened[@]}"
	release fw2
	check "and back ($how)" takes_over fw1
	check "all go on after that too ($how)" go_on "${opened[@]}"
done

check "after a while copies are tied to the interface that has the address" sleep 6
check "none was ended for that" is fw1 masquerades_ended 0
release fw1
check "its kernel ends them with the address again" wait_until hasnt fw1 "ESTABLISHED .*dport=7 "
check "a primary that stays primary has the backup forget them" eval "WAIT_SECONDS=20 wait_until hasnt fw2 'ESTABLISHED .*dport=7 '"
finish
