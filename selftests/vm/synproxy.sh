#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# A connection through the SYN proxy, whose sequence numbers and timestamps are shifted: it goes on after a takeover, there
# and back.
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
			}
		}
	EOF
}

topology
for node in $FIREWALLS; do
	check "$node has a SYN proxy" proxy "$node"
done
ip -n server route add $LAN.0/24 via $WAN.1
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "a connection opens through the proxy" flow open proxied client tcp $SERVER 7 1001
check "it passes" flow echo proxied
check "the backup has it" wait_until has fw2 'ESTABLISHED .*sport=1001'
check "the tables are equal" wait_until same_tables
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "it passes after the takeover" flow echo proxied
check "the old primary is in step" wait_until is fw1 synced 1
check "another opens through the second proxy" flow open second client tcp $SERVER 7 1003
check "both pass" flows echo proxied second
check "the old primary has it" wait_until has fw1 'ESTABLISHED .*sport=1003'
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "they pass after the way back" flows echo proxied second
finish
