#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A new connection on the primary is in the backup's table within 20 ms: the median of 100.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# quiet: yes

. ./lib.sh

# What is promised, in microseconds, of the distribution's kernel; and how many connections are measured.
MEDIAN_MAX=20000
[ "$SLOWNESS" = 1 ] || MEDIAN_MAX=10000000
CONNECTIONS=100

topology
check "ct_sync starts" start_ct_sync
# The first packet of all waits for neighbours.
on client ping -c 1 -W 5 $SERVER >/dev/null
check "a connection arrives" wait_until has fw2 icmp
read -r median ninetieth longest < <(python3 ./latency.py client $SERVER fw2 $CONNECTIONS)
check "$CONNECTIONS connections: median $median us, nine of ten within $ninetieth us, longest $longest us" \
	[ "${median:-$((MEDIAN_MAX + 1))}" -le $MEDIAN_MAX ]
check "the tables are equal" wait_until same_tables
finish
