#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Masquerade to an address that is not shared: two uplinks, or the NAT instances of a cloud. After a takeover the copies would translate to
# the address of the dead node for as long as their flows talk. They are ended soon, so that a flow from a fixed port
# begins anew, as it would have without ct_sync; what is masqueraded to an address that came along stays.
#
# time: 120

. ./lib.sh || exit
. ./flows.bash

ruleset() {
	on "$1" nft -f - <<-EOF_RULES
		flush ruleset
		table ip nat {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan masquerade
			}
		}
	EOF_RULES
}

# Only the way inside is shared: each node has an address of its own on wan.
inside() {
	local other=fw1
	[ "$1" = fw2 ] || other=fw2
	ip -n "$other" address delete $LAN.1/24 dev lan 2>/dev/null
	ip -n "$1" address replace $LAN.1/24 dev lan
	ip -n client neighbour flush dev lan
}

# Sends a datagram from one port each second for at most $1 seconds, until an answer comes.
answered() {
	on client python3 - "$1" <<-'EOP'
		import socket, sys, time
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("", 4500))
		s.connect(("192.0.2.10", 7))
		s.settimeout(1)
		end = time.monotonic() + float(sys.argv[1])
		while time.monotonic() < end:
		    s.send(b"x")
		    try:
		        s.recv(9)
		        sys.exit(0)
		    except OSError:
		        pass
		sys.exit("no answer")
	EOP
}

topology
for node in $FIREWALLS; do
	ip -n "$node" address delete $WAN.1/24 dev wan 2>/dev/null
done
inside fw1
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "the flow is answered" answered 10
check "the backup has it, translated to the primary's own address" wait_until has fw2 "udp .*sport=4500 .*dst=$WAN.2 "

ip -n switches link set wan.fw1 down
knob fw1 state 0
inside fw2
knob fw2 state 1
check "the copy is ended soon" wait_until hasnt fw2 "sport=4500 .*dst=$WAN.2 "
check "and counted" is fw2 masquerades_ended 1
check "the flow begins anew" answered 20
check "translated to the other node's address" has fw2 "udp .*sport=4500 .*dst=$WAN.3 "
finish
