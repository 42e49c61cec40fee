#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Packets that stray through the backup, as they do while neighbours learn of a takeover: they do not let its copies expire,
# and what they made gives way to the primary's entry unless it is a connection of its own right.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# Shorter than the test, longer than any pause in it.
UDP_SECONDS=30

# through ADDRESS: sends the client's packets to the server through the firewall with that address.
through() { ip -n client route replace $SERVER/32 via "$1"; }

# through6 NUMBER: has all IPv6 packets of the two go through the firewall with that number in its addresses.
through6() {
	ip -n client -6 route replace $SERVER6/128 via $LAN6:$1
	ip -n server -6 route replace $LAN6:/64 via $WAN6:$1
}

# Whether the backup's entry of UDP from a port expires in more than a day.
pinned() {
	local seconds
	seconds=$(on fw2 conntrack -L -f ipv4 -p udp --orig-port-src "$1" 2>/dev/null | awk '{print $3}')
	echo "expires in '$seconds' s"
	[ "${seconds:-0}" -gt 86400 ]
}

topology
start_flows
flow listen server 7
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=$UDP_SECONDS net.netfilter.nf_conntrack_udp_timeout_stream=$UDP_SECONDS
done
check "ct_sync starts" start_ct_sync

flow open busy client udp $SERVER 7 1001
check "a flow passes" flows echo busy busy
check "it is on the backup" wait_until has fw2 "udp .*sport=1001 dport=7 src="
through $LAN.3
check "it strays through the backup" flows echo busy
through $LAN.1
check "it is pinned there as before" pinned 1001

through $LAN.3
flow open early client udp $SERVER 11 1002
flow send early
check "a flow strays through the backup at first" has fw2 "udp .*sport=1002 .*UNREPLIED"
through $LAN.1
flow send early
check "it gives way to the primary's" wait_until is fw2 entries_replaced_local 1
check "it is the primary's now" pinned 1002

# In IPv6, where no NAT brings the answers back to the primary.
through6 3
flow open own client tcp $SERVER6 7 1003
check "a whole connection passes through the backup" flow echo own
check "it is the backup's own" has fw2 "tcp .*ESTABLISHED .*sport=1003 .*ASSURED"
through6 1
on fw1 nft insert rule inet filter forward accept
check "it strays to the primary" flow echo own
check "the backup keeps what it has, and counts" wait_until at_least fw2 entries_conflict 1
check "it is as it was" has fw2 "tcp .*ESTABLISHED .*sport=1003 .*ASSURED"
check "the backup does not say that it is synced" wait_until is fw2 synced 0
on fw2 conntrack -D -f ipv6 -p tcp --sport 1003 >/dev/null 2>&1
knob fw2 resync 1
check "it is synced when nothing is in the way" wait_until is fw2 synced 1
check "and has the primary's" has fw2 "tcp .*sport=1003"
finish
