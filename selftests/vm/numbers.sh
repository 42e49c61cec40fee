#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the protocol promises in numbers: frames of an idle pair; the time until tables are equal, and the traffic of repair,
# when one of twenty frames is lost under full load; the rate of a full resync, and how live records get through meanwhile.
#
#   client ── fw1 (primary), fw2 (backup) ── a sink in wan that nobody is
#
# time: 180
# long: yes
# quiet: yes

. ./lib.sh
. ./churn.bash

IDLE_SECONDS=4 IDLE_PER_SECOND_MAX=2
LOSS=5% LOAD_SECONDS=5 EQUAL_MS_MAX=1000 REPAIR_MAX=3
RESYNC_ENTRIES=20000 RESYNC_PER_SECOND_MIN=20000 LIVE_MS_MAX=100

topology
start_churn
modprobe sch_netem || skip "no netem"
check "ct_sync starts" start_ct_sync

measure churn idle $IDLE_SECONDS fw1 fw2
for node in fw1 fw2; do
	check "$node sends ${measured[$node]} frames in $IDLE_SECONDS s" \
		within "${measured[$node]}" $((IDLE_SECONDS * IDLE_PER_SECOND_MAX))
done

sent=$(value fw1 records_sent) received=$(value fw2 records_received) repaired=$(value fw1 records_repaired)
netem $LOSS fw1 fw2
measure churn load $SINK $LOAD_SECONDS 1001 fw1 fw2
sent=$(($(value fw1 records_sent) - sent)) received=$(($(value fw2 records_received) - received))
repaired=$(($(value fw1 records_repaired) - repaired)) lost=$((sent - received))
check "the load was served: ${measured[opened]} flows opened, ${measured[ended]} ended" [ "${measured[opened]}" -gt 1000 ]
check "records were lost: $lost of $sent" [ $lost -gt 0 ]
check "$LOSS loss: all is told ${measured[settled_ms]} ms after the load" within "${measured[settled_ms]}" $EQUAL_MS_MAX
check "repair told $repaired records for $lost that were lost" within $repaired $((lost * REPAIR_MAX))
check "no resync was needed" is fw2 gaps_gone 0
check "the tables are equal, and were when it was said" equal_since_measured fw1 fw2
netem none fw1 fw2

for node in $FIREWALLS; do on "$node" conntrack -F >/dev/null 2>&1; done
on client python3 flood.py $SINK $RESYNC_ENTRIES
knob fw1 resync_rate 0
measure churn settled 60 fw1 fw2
check "there is something to resync" at_least fw2 table_count $RESYNC_ENTRIES
measure churn live $SINK 1002 fw1 fw2
check "a resync of ${measured[records]} entries that are there takes ${measured[took_ms]} ms: ${measured[per_s]} a second" \
	at_least_number "${measured[per_s]}" $RESYNC_PER_SECOND_MIN
check "meanwhile ${measured[flows]} live flows arrive, the slowest after ${measured[longest_ms]} ms" \
	within "${measured[longest_ms]}" $LIVE_MS_MAX
check "the tables are equal after it" wait_until same_tables
finish
