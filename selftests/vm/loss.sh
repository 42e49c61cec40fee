#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The link between the nodes loses, reorders, doubles and corrupts frames while connections open and close at full speed. What is
# lost is repaired, without a resync; a scrub finds nothing.
#
#   client ── fw1 (primary), fw2 (backup) ── a sink in wan that nobody is
#                  └── netem ──┘
#
# time: 240

. ./lib.sh
. ./churn.bash

LOAD_SECONDS=2 SETTLED_MS_MAX=10000
port=1000

# under WHAT NETEM...: ends all flows, opens and closes others while the link is like that, and compares the tables.
under() {
	local what=$1 node
	shift
	for node in fw1 fw2; do
		on $node tc qdisc replace dev sync root netem "$@" limit 100000 || check "netem $*" false
	done
	on fw1 conntrack -F 2>/dev/null
	port=$((port + 1))
	measure churn load "$SINK" $LOAD_SECONDS $port fw1 fw2
	check "$what: ${measured[opened]} flows opened, ${measured[ended]} ended" at_least_number "${measured[opened]}" 1000
	check "$what: the backup has all ${measured[settled_ms]} ms after the load" within "${measured[settled_ms]}" $SETTLED_MS_MAX
	check "$what: the tables are equal, and were when it was said" equal_since_measured fw1 fw2
}

topology
start_churn
modprobe sch_netem || skip "no netem"
check "ct_sync starts" start_ct_sync
under "1 % loss" loss 1%
under "5 % loss" loss 5%
under "20 % loss" loss 20%
under "reordering" delay 2ms reorder 2%
under "doubled frames" duplicate 10%
under "corruption" corrupt 5%
check "lost frames were made good" at_least fw2 frames_made_good 1
check "by repair" at_least fw1 records_repaired 1
check "none of them needed a resync" is fw2 gaps_gone 0
on fw1 tc qdisc delete dev sync root
for node in fw1 fw2; do knob $node scrub_interval 2; done
completed=$(value fw2 resyncs_completed)
check "scrubs go on" wait_until at_least fw2 resyncs_completed $((completed + 2))
check "they have corrected nothing" uncorrected fw2
finish
