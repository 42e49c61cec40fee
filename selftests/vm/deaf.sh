#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A backup that hears nothing for half a minute, while connections open and close at full speed.
#
#   client ── fw1 (primary), fw2 (backup) ── a sink in wan that nobody is
#
# long: yes
# time: 240

. ./lib.sh
. ./churn.bash

SECONDS_AWAY=30

topology
TEMPORARY=$(mktemp -d)
start_churn
modprobe sch_netem || skip "no netem"
check "ct_sync starts" start_ct_sync
churn load "$SINK" $((SECONDS_AWAY + 4)) 1001 fw1 fw2 >"$TEMPORARY/load" &
sleep 1
on switches tc qdisc replace dev sync.fw2 root netem loss 100%
sleep $SECONDS_AWAY
check "it knows that it is behind" is fw2 synced 0
on switches tc qdisc delete dev sync.fw2 root
wait $!
measure cat "$TEMPORARY/load"
check "the gap was beyond the backlog" at_least fw2 gaps_gone 1
check "it has everything ${measured[settled_ms]} ms after the load" within "${measured[settled_ms]}" 10000
check "the tables are equal, and were when it was said" equal_since_measured fw1 fw2
finish
