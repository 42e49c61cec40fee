#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each rule of examples/nftables/select.nft keeps out what it says, and all else is replicated; notrack.nft leaves nothing to replicate.
#
#   client ── fw1 (primary), fw2 (backup) ── server       see keepalived.bash
#
# time: 120

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

pair || exit
for node in $FIREWALLS; do knob "$node" l2drop 0; done
ip -n fw1 address add $LAN.254/24 dev eth0
ip -n fw1 address add $WAN.254/24 dev eth1
ip -n fw1 address add $LAN6:fe/64 dev eth0 nodad
ip -n fw1 address add $WAN6:fe/64 dev eth1 nodad
# A network behind another interface, and an address of 10.0.0.0/8 outside.
plug client guest0 guest 192.168.7.10/24
ip -n switches link add guest type bridge forward_delay 0
ip -n switches link set guest up
plug fw1 guest0 guest 192.168.7.1/24
flush switches client fw1
ip -n client route add 10.1.1.0/24 via $LAN.254
ip -n server address add 10.1.1.1/32 dev lo
ip -n fw1 route add 10.1.1.0/24 via $SERVER
ip -n server route add default via $WAN.254
ip -n client route add $SERVER/32 via 192.168.7.1 table 7
ip -n client rule add from 192.168.7.10 table 7
on fw1 nft 'add rule inet filter forward iifname guest0 accept'
start_flows
for port in 7 53 123; do flow listen server $port; done

for node in $FIREWALLS; do
	knob "$node" cmarkbit 30
	check "$node: select.nft is loaded" on "$node" nft -f "$EXAMPLES/nftables/select.nft"
done
check "it can be loaded again" on fw1 nft -f "$EXAMPLES/nftables/select.nft"
knob fw1 state 1
check "the backup is synced" wait_until is fw2 synced 1

# Each flow has a port of its own at the client.
check "flows open" eval '
	flow open dns client udp $SERVER 53 2001 && flow open ntp client udp $SERVER 123 2002 && flow open ten client tcp 10.1.1.1 7 2003 &&
		flow open tcp client tcp $SERVER 7 2004 && flow open udp client udp $SERVER 7 2005 && flow open tcp6 client tcp $SERVER6 7 2006 &&
		flows echo dns ntp ten tcp udp tcp6'
check "TCP is replicated when it is established" wait_until has fw2 "tcp .*ESTABLISHED .*sport=2004 .*mark=1073741824"
check "UDP is" wait_until has fw2 "udp .*sport=2005 "
check "IPv6 is" wait_until has fw2 "tcp .*sport=2006 "
check "DNS is not" hasnt fw2 "sport=2001 "
check "NTP is not" hasnt fw2 "sport=2002 "
check "10.0.0.0/8 is not" hasnt fw2 "sport=2003 "
check "but the primary tracks all of them" [ "$(has fw1 'sport=200[1-6] ' | sort -u | wc -l)" = 6 ]

# From another interface.
on client python3 - $SERVER <<'EOP'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.168.7.10", 2007))
s.sendto(b"x", (sys.argv[1], 7))
EOP
check "the interface of guests is not" eval 'wait_until has fw1 "udp .*sport=2007 " && sleep 0.5 && hasnt fw2 "sport=2007 "'

# A handshake without an answer.
ip -n server route add blackhole $WAN.254/32 2>/dev/null
on server nft 'add table inet q; add chain inet q i { type filter hook input priority 0; }; add rule inet q i tcp dport 9 drop'
on client timeout 1 nc -w 1 -p 2008 $SERVER 9
check "a SYN without an answer is not" eval 'has fw1 "tcp .*sport=2008 " && hasnt fw2 "sport=2008 "'

on fw1 nft 'add table ip z; add chain ip z p { type filter hook prerouting priority raw; }; add rule ip z p iifname eth0 udp sport 2009 ct zone set 7'
check "a flow of zone 7" eval 'flow open zone client udp $SERVER 7 2009 && flow send zone'
check "zone 7 is not" eval 'wait_until has fw1 "sport=2009 .*zone" && sleep 0.5 && hasnt fw2 "sport=2009 "'

check "notrack.nft is loaded" on fw1 nft -f "$EXAMPLES/nftables/notrack.nft"
check "it can be loaded again" on fw1 nft -f "$EXAMPLES/nftables/notrack.nft"
on fw1 nft 'insert rule inet filter forward udp dport 53 accept'
flow open untracked client udp $SERVER 53 2010 && flow send untracked
on fw1 nft list ruleset >/dev/null
check "what is not tracked is on neither" eval 'sleep 0.5; hasnt fw1 "sport=2010 " && hasnt fw2 "sport=2010 "'
finish
