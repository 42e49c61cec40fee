#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The link between the nodes loses and reorders frames. What is lost is repaired, without a resync; a scrub finds nothing.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#                  └── netem ──┘
#
# time: 240

. ./lib.sh
topology
modprobe sch_netem || skip "no netem"
SINK=$WAN.77
next=1
WAIT_SECONDS=30

flood() {
	on client python3 flood.py $SINK "$1" $next
	next=$((next + $1))
}

starts() {
	local node
	modprobe ct_sync || return
	for node in fw1 fw2; do
		knob $node syncdev sync
	done
	knob fw1 state 1
	wait_until is fw2 synced 1
}

# under NETEM...: ends all flows, opens and closes others while the link is like that, and waits until the tables are equal.
under() {
	on fw1 tc qdisc replace dev sync root netem "$@" && on fw2 tc qdisc replace dev sync root netem "$@" || return
	on fw1 conntrack -F 2>/dev/null
	for _ in 1 2 3 4 5; do
		flood 1000
		on fw1 conntrack -D -p udp --orig-port-dst $((next - 500)) >/dev/null 2>&1 || true
	done
	wait_until is fw2 synced 1 && wait_until same_tables
}

limit=$(sysctl -n net.netfilter.nf_conntrack_max)
sysctl -qw net.netfilter.nf_conntrack_max=100000
# None ends by itself while tables are being compared.
on fw1 sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
ip -n fw1 neighbour replace $SINK lladdr 02:00:00:00:00:77 dev wan nud permanent
check "ct_sync starts" starts
check "tables are equal with 1 % loss" under loss 1%
check "tables are equal with 5 % loss" under loss 5%
check "tables are equal with 20 % loss" under loss 20%
check "tables are equal with reordering" under delay 2ms reorder 2%
check "tables are equal with doubled frames" under duplicate 10%
check "tables are equal with corruption" under corrupt 5%
check "lost frames were made good" at_least fw2 frames_made_good 1
check "by repair" at_least fw1 records_repaired 1
check "none of them needed a resync" is fw2 gaps_gone 0
on fw1 tc qdisc delete dev sync root
on fw2 tc qdisc delete dev sync root
for node in fw1 fw2; do knob $node scrub_interval 2; done
completed=$(value fw2 resyncs_completed)
check "scrubs go on" wait_until at_least fw2 resyncs_completed $((completed + 2))
check "they have corrected nothing" is fw2 scrub_corrections 0
sysctl -qw net.netfilter.nf_conntrack_max="$limit"
finish
