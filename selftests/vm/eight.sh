#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Eight backups, and each of them loses other frames: of those that lack the same one asks, and all have the same in the end.
# Then one of them takes over.
#
#   client ── fw1 (primary), fw2 … fw9 (backups) ── a sink in wan that nobody is
#
# time: 180

. ./lib.sh
. ./churn.bash

BACKUPS='fw2 fw3 fw4 fw5 fw6 fw7 fw8 fw9'

# sum NAME: a counter, of all backups.
sum() {
	local node sum=0
	for node in $BACKUPS; do sum=$((sum + $(value "$node" "$1"))); done
	echo $sum
}

topology 9
# The ninth firewall would have the addresses of client and server.
for pair in "lan $LAN $LAN6" "wan $WAN $WAN6"; do
	read -r device net4 net6 <<<"$pair"
	later fw9 address flush dev "$device" scope global
	later fw9 address add "$net4.20/24" dev "$device"
	later fw9 address add "$net6:20/64" dev "$device"
done
flush fw9
start_churn
modprobe sch_netem || skip "no netem"
WAIT_SECONDS=30
check "ct_sync starts" start_ct_sync
# What fw1 sends is lost by all at once, what a port of the switch sends by one. Much is: a machine that is short of time makes a
# hundred frames in the three seconds, and what is said of the NACKs needs many.
netem 10% fw1
for node in fw2 fw5 fw9; do
	on switches tc qdisc replace dev "sync.$node" root netem loss 2% limit 100000
done
# shellcheck disable=SC2086 # a list of words
measure churn load "$SINK" 3 1001 fw1 $BACKUPS
check "everybody has everything ${measured[settled_ms]} ms after the load" within "${measured[settled_ms]}" 10000
# shellcheck disable=SC2086 # a list of words
check "the tables are equal, and were when it was said" equal_since_measured fw1 $BACKUPS
lost=$(sum frames_lost) nacks=$(sum nacks_sent) suppressed=$(sum nacks_suppressed)
check "frames were lost: $lost by eight" [ "$lost" -gt 0 ]
# Not compared with what was lost: where a repair takes longer than 25 ms it is asked for again, however well that is shared.
check "not all of them asked: $nacks NACKs" at_least_number $((2 * SLOWNESS * suppressed)) "$nacks"
check "$suppressed NACKs were held back" [ "$suppressed" -gt 0 ]
check "nobody needed a resync" [ "$(sum gaps_gone)" = 0 ]
netem none fw1

knob fw1 state 0
knob fw9 state 1
# shellcheck disable=SC2086 # a list of words
measure churn settled 30 fw9 ${BACKUPS% fw9} fw1
check "all follow another primary after ${measured[settled_ms]} ms" within "${measured[settled_ms]}" 10000
check "the tables are equal still" eval 'same_tables fw9 fw1 && same_tables fw9 fw2'
finish
