#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# TCP in its states, UDP, ICMP and ICMPv6, over IPv4 and IPv6: what the primary has, its backup has; what changes there
# changes here; what ends there ends here; and nothing expires on the backup meanwhile.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# Short enough to pass during the test. What must not expire meanwhile is refreshed on the primary.
UDP_SECONDS=6

# both_families NODE START END: whether the node has such an entry of the client's in each family.
both_families() {
	has "$1" "ipv4 .*$2.*src=$CLIENT .*$3" && has "$1" "ipv6 .*$2.*src=$CLIENT6 .*$3"
}

# open_pair NAME PROTOCOL PORT SOURCE_PORT: opens a flow in each family.
open_pair() {
	flow open "$1"4 client "$2" $SERVER "$3" "$4" && flow open "$1"6 client "$2" $SERVER6 "$3" "$4"
}

# Both nodes have TCP entries of source port $1 in state $2.
tcp_is() { both_families fw1 "tcp .*$2" "sport=$1 " && both_families fw2 "tcp .*$2" "sport=$1 "; }

# Whether no node has entries from a port.
gone() { hasnt fw1 "sport=$1 " && hasnt fw2 "sport=$1 "; }

# Whether the backup's entry of UDP from a port expires in more than a day.
pinned() {
	local seconds
	seconds=$(on fw2 conntrack -L -f ipv4 -p udp --orig-port-src "$1" 2>/dev/null | awk '{print $3}')
	echo "expires in '$seconds' s"
	[ "${seconds:-0}" -gt 86400 ]
}

# Refreshes the flow until the timeout has passed twice over.
outlive() {
	local end=$((SECONDS + 2 * UDP_SECONDS + 2))
	while [ $SECONDS -lt $end ]; do
		flow send refreshed4 || return
		sleep 0.5
	done
}

topology
start_flows
flow listen server 7
flow listen server 9 hold
# A connection that nobody answers stays in SYN_SENT.
on server nft -f - <<<'table inet mute { chain input { type filter hook input priority 0; th dport 11 drop; }; }'
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=$UDP_SECONDS net.netfilter.nf_conntrack_udp_timeout_stream=$UDP_SECONDS
done
check "ct_sync starts" start_ct_sync

check "connections open" open_pair established tcp 7 1001
check "TCP: ESTABLISHED" wait_until tcp_is 1001 'ESTABLISHED.*'
open_pair half tcp 9 1002
flows finish half4 half6
check "TCP: half closed is CLOSE_WAIT" wait_until tcp_is 1002 CLOSE_WAIT
check "what comes back is replicated" flows echo established4 established6
flow release 9
check "TCP: the other half closed is TIME_WAIT" wait_until tcp_is 1002 TIME_WAIT
open_pair ended tcp 7 1003
flows finish ended4 ended6
check "TCP: ended is TIME_WAIT" wait_until tcp_is 1003 TIME_WAIT
open_pair reset tcp 7 1004
flows reset reset4 reset6
check "TCP: reset is CLOSE" wait_until tcp_is 1004 'CLOSE '
on client timeout 5 bash -c "exec 3<>/dev/tcp/$SERVER/11" 2>/dev/null &
on client timeout 5 bash -c "exec 3<>/dev/tcp/$SERVER6/11" 2>/dev/null &
check "TCP: unanswered is SYN_SENT" wait_until both_families fw2 'tcp .*SYN_SENT' 'dport=11 .*UNREPLIED'

open_pair oneway udp 11 1005
flows send oneway4 oneway6
check "UDP one way" wait_until both_families fw2 udp 'sport=1005 .*UNREPLIED'
open_pair refreshed udp 7 1006
flows echo refreshed4 refreshed6
check "UDP with a reply" wait_until both_families fw2 udp 'sport=1006 dport=7 src='
on client ping -c 1 -W 5 $SERVER >/dev/null
check "ICMP echo" wait_until has fw2 "icmp .*src=$CLIENT dst=$SERVER type=8 .*src=$SERVER"
on client ping -6 -c 1 -W 5 $SERVER6 >/dev/null
check "ICMPv6 echo" wait_until has fw2 "icmpv6 .*src=$CLIENT6 dst=$SERVER6 type=128 .*src=$SERVER6"
check "the tables are equal" wait_until same_tables

on fw1 conntrack -U -p tcp --orig-port-src 1001 --mark 77 >/dev/null 2>&1
check "a mark arrives" wait_until has fw2 'sport=1001 .*mark=77'
on fw1 conntrack -D -p tcp --orig-port-src 1001 -f ipv4 >/dev/null 2>&1
check "a delete arrives" wait_until hasnt fw2 "ipv4 .*sport=1001"
check "and takes nothing else along" has fw2 "ipv6 .*sport=1001"

# A slow machine has let it expire meanwhile.
flow send refreshed4
check "entries are pinned on the backup" wait_until pinned 1006
check "traffic keeps an entry on the primary" outlive
check "it has not expired on the backup" has fw2 "ipv4 .*udp .*sport=1006"
check "what expires on the primary goes on the backup" wait_until gone 1005
check "so does the other that nobody refreshed" hasnt fw2 "ipv6 .*udp .*sport=1006"
check "the tables are equal at the end" wait_until same_tables
finish
