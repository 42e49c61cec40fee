#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# A connection through the SYN proxy, whose sequence numbers and timestamps are shifted: it goes on after a takeover, there
# and back. One that the proxy has nothing to do with opens across a takeover, without the proxy.
#
#   client ── fw1, fw2 ── server

. ./lib.sh || exit
. ./flows.bash

proxy() {
	on "$1" sh -c "$(settings netfilter/nf_conntrack_tcp_loose=0 ipv4/tcp_syncookies=1 ipv4/tcp_timestamps=1)"
	on "$1" nft -f - <<-EOF
		flush ruleset
		table ip proxy {
			chain raw {
				type filter hook prerouting priority raw;
				iifname lan tcp dport 7 tcp flags syn notrack
			}
			chain forward {
				type filter hook forward priority filter; policy drop;
				iifname lan tcp dport 7 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
				ct state invalid drop
				ct state established accept
				iifname lan tcp dport 9 ct state new accept
			}
			chain before {
				type filter hook forward priority -10;
				tcp sport 9 counter
			}
			chain after {
				type filter hook postrouting priority 2147483647;
				tcp sport 9 counter
			}
		}
	EOF
}

# Segments from port 9 that have come to a chain of fw2.
counted() { on fw2 nft list chain ip proxy "$1" | grep -oE 'packets [0-9]+'; }

# Connects to port 9, however long that takes, and exchanges a word.
plain() {
	on client python3 -c "
import socket
with socket.create_connection(('$SERVER', 9), timeout=$((20 * SLOWNESS))) as plain:
    plain.sendall(b'word')
    assert plain.recv(4) == b'word'"
}

topology
for node in $FIREWALLS; do
	check "$node has a SYN proxy" proxy "$node"
done
ip -n server route add $LAN.0/24 via $WAN.1
start_flows
flow listen server 7
flow listen server 9
on server nft -f - <<<'table ip deaf { chain input { type filter hook input priority filter; tcp dport 9 drop; }; }'
check "ct_sync starts" start_ct_sync
check "a connection opens through the proxy" flow open proxied client tcp $SERVER 7 1001
check "it passes" flow echo proxied
check "the backup has it" wait_until has fw2 'ESTABLISHED .*sport=1001'
plain &
plain=$!
check "the backup has one that has begun without the proxy" wait_until has fw2 'SYN_SENT .*dport=9'
check "the tables are equal" wait_until same_tables
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "it passes after the takeover" flow echo proxied
on server nft delete table ip deaf
wait $plain
check "the one without the proxy opens after the takeover" [ $? = 0 ]
check "the proxy has taken none of its segments" [ "$(counted before)" = "$(counted after)" ]
check "the old primary is in step" wait_until is fw1 synced 1
check "another opens through the second proxy" flow open second client tcp $SERVER 7 1003
check "both pass" flows echo proxied second
check "the old primary has it" wait_until has fw1 'ESTABLISHED .*sport=1003'
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "they pass after the way back" flows echo proxied second
finish
