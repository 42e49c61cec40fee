#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# A connection through the SYN proxy, whose sequence numbers and timestamps are shifted: it goes on after a takeover, there
# and back. One that is not the proxy's, and is only half open at the takeover, is left alone by the other node's proxy.
#
#   client ── fw1, fw2 ── server

. ./lib.sh || exit
. ./flows.bash

# Port 7 is behind the proxy, port 9 is not; the server is slow to answer at port 9.
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
				iifname lan tcp dport 9 accept
			}
		}
	EOF
}

# deaf WORD: `on`: the server does not hear connections to port 9; `off`: it does.
deaf() {
	on server nft "flush ruleset"
	[ "$1" = off ] || on server nft -f - <<<'table inet deaf { chain input { type filter hook input priority 0; tcp dport 9 drop; }; }'
}

topology
for node in $FIREWALLS; do
	check "$node has a SYN proxy" proxy "$node"
done
start_flows
flow listen server 7
flow listen server 9
deaf on
check "ct_sync starts" start_ct_sync
check "a connection opens through the proxy" flow open proxied client tcp $SERVER 7 1001
check "it passes" flow echo proxied
check "the backup has it" wait_until has fw2 'ESTABLISHED .*sport=1001'
on client timeout 20 socat -u TCP4:$SERVER:9,sourceport=1002,retry=0 CREATE:/dev/null &
check "one that is half open is on the backup" wait_until has fw2 'SYN_SENT .*sport=1002'
check "the tables are equal" wait_until same_tables
knob fw1 state 0
takeover fw2
knob fw2 state 1
deaf off
check "the first passes after the takeover" flow echo proxied
check "the other opens" wait_until has fw2 'ESTABLISHED .*sport=1002 .*ASSURED'
check "the old primary is in step" wait_until is fw1 synced 1
check "another opens through the second proxy" flow open second client tcp $SERVER 7 1003
check "both pass" flows echo proxied second
check "the old primary has it" wait_until has fw1 'ESTABLISHED .*sport=1003'
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "they pass after the way back" flows echo proxied second
finish
