#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Flows that begin or end on a node are its own: they are tracked there, and not replicated.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# own WHAT PATTERN COMMAND...: COMMAND makes an entry on the primary that matches PATTERN.
own() {
	local what=$1 pattern=$2
	shift 2
	check "$what" "$@"
	check "$what: the primary tracks it" wait_until has fw1 "$pattern"
	patterns+=("$pattern")
}

topology
start_flows
flow listen fw1 22
flow listen server 7
check "ct_sync starts" start_ct_sync
patterns=()

own "TCP to the virtual address" "tcp .*dst=$LAN.1 .*sport=1001" flow open a client tcp $LAN.1 22 1001
own "TCP to the node's address" "tcp .*dst=$LAN.2 .*sport=1002" flow open b client tcp $LAN.2 22 1002
own "TCP to the address of the other side" "tcp .*dst=$WAN.1 .*sport=1003" flow open c client tcp $WAN.1 22 1003
own "TCP to the virtual address, IPv6" "tcp .*dst=$LAN6:1 .*sport=1004" flow open d client tcp $LAN6:1 22 1004
own "TCP from the node" "tcp .*dst=$SERVER .*sport=1005" flow open e fw1 tcp $SERVER 7 1005
flow open f fw1 udp $SERVER6 7 1006
own "UDP from the node, IPv6" "udp .*dst=$SERVER6 .*sport=1006" flow echo f
own "VRRP to its group" "dst=224.0.0.18" flow vrrp fw1 lan
own "ping to the virtual address" "icmp .*dst=$LAN.1 " on client ping -c 1 -W 5 $LAN.1

# What is queued after them has arrived, so they would have, too.
flow open forwarded client tcp $SERVER 7 1009
check "a forwarded flow arrives" wait_until has fw2 "sport=1009"
for pattern in "${patterns[@]}"; do
	check "not on the backup: $pattern" hasnt fw2 "$pattern"
done
check "they are counted" at_least fw1 events_skipped_local ${#patterns[@]}

# It passes through fw1, which thinks that it is one of the server's.
flow listen fw2 22
flow open g client udp $LAN.3 22 1010
later client route replace $LAN.3/32 via $LAN.2
flush client
check "a flow to the backup through the primary" flow echo g
check "it is the backup's own" wait_until at_least fw2 entries_own 1
check "that does not keep it from being synced" wait_until is fw2 synced 1

knob fw1 resync 1
check "a resync is served" wait_until at_least fw1 resyncs_served 2
check "a resync is completed" wait_until at_least fw2 resyncs_completed 2
for pattern in "${patterns[@]}"; do
	check "not after a resync: $pattern" hasnt fw2 "$pattern"
done
check "the forwarded flow is still there" has fw2 "sport=1009"
check "the node's own flows work as before" flows echo a b c d e f
finish
