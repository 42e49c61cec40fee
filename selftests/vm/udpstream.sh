#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
# long: yes
#
# A busy UDP stream, whose timeout is refreshed on the primary without an event: the copy does not expire for ten times the
# timeout, and the stream passes after a takeover.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# The machine may stand still for a moment.
UDP_SECONDS=3

# Keeps the stream busy for ten timeouts.
stay_busy() {
	local end=$((SECONDS + 10 * UDP_SECONDS + 1))
	while [ $SECONDS -lt $end ]; do
		flow echo stream || return
		sleep 0.3
	done
}

# identity NODE: the identity of the stream's entry there.
identity() { on "$1" conntrack -L -p udp --orig-port-src 1001 -o id 2>/dev/null | sed -nE 's/.* id=([0-9]+).*/\1/p'; }

topology
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=$UDP_SECONDS net.netfilter.nf_conntrack_udp_timeout_stream=$UDP_SECONDS
done
flow open stream client udp $SERVER 7 1001
check "a stream passes" flow echo stream
check "it is on the backup" wait_until has fw2 "udp .*sport=1001 dport=7 src="
primary=$(identity fw1) copy=$(identity fw2)
check "it stays busy" stay_busy
check "the primary's entry is the same" [ "$(identity fw1)" = "$primary" ]
check "the copy is the same" [ "$(identity fw2)" = "$copy" ]
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "the stream passes after the takeover" flow echo stream
check "it is the copy that it passes by" [ "$(identity fw2)" = "$copy" ]
finish
