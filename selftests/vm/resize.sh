#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's hash table is resized again and again while connections open and end: neither the primary, which looks for what
# is true of a connection, nor the backup, which looks for what has ended, takes one that is being moved for absent.
#
#   client ── fw1 (primary), fw2 (backup) ── a sink in wan that nobody is
#
# long: yes
# time: 120

. ./lib.sh
. ./churn.bash

# So many that a resize takes long.
FLOWS=15000 LOAD_SECONDS=8
SIZE=/sys/module/nf_conntrack/parameters/hashsize

# Both nodes are in the same hash table.
resize() {
	while :; do
		echo $((size * 2)) >$SIZE
		echo "$size" >$SIZE
	done
}
all_there() { [ "$(value fw2 table_count)" -ge $FLOWS ]; }

topology
start_churn
size=$(cat $SIZE)
trap 'echo "$size" >$SIZE; end_churn; cleanup' EXIT
check "ct_sync starts" start_ct_sync
for node in $FIREWALLS; do knob "$node" scrub_interval 0; done
on client python3 flood.py "$SINK" $FLOWS 1
check "many flows are replicated" wait_until all_there
resyncs=$(value fw2 resyncs_requested)
resize &
resizer=$!
measure churn load "$SINK" $LOAD_SECONDS 1001 fw1 fw2
kill $resizer
wait $resizer 2>/dev/null
check "connections opened and ended: ${measured[opened]} and ${measured[ended]}" at_least_number "${measured[ended]}" 500
check "the tables are equal" equal_since_measured fw1 fw2
check "the backup had all that has ended" is fw2 entries_delete_absent 0
check "no resync was needed" is fw2 resyncs_requested "$resyncs"
finish
