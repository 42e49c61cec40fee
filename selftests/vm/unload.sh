#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes under traffic, in both roles, while its files are read and written all the time.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 120

. ./lib.sh
topology
ROUNDS=3

ip -n fw1 neighbour replace $WAN.77 lladdr 02:00:00:00:00:77 dev wan nud permanent
sysctl -qw net.netfilter.nf_conntrack_max=200000

# Readers and writers that do not mind whether the files are there.
on client bash -c 'while :; do python3 flood.py '$WAN.77' 500 $RANDOM; done' &
on fw1 bash -c 'while :; do cat /proc/net/ct_sync; sleep 0.02; done' >/dev/null 2>&1 &
on fw2 bash -c 'while :; do cat /proc/net/ct_sync; cat /proc/sys/net/netfilter/ct_sync/*; sleep 0.02; done' >/dev/null 2>&1 &
on fw1 bash -c 'cd /proc/sys/net/netfilter; while :; do
	for state in 1 0 1; do echo $state >ct_sync/state; done
	echo 2 >ct_sync/l2drop; echo 0 >ct_sync/l2drop; echo $RANDOM >ct_sync/port; echo 3781 >ct_sync/port; echo 1 >ct_sync/resync
	sleep 0.1
done' >/dev/null 2>&1 &

starts() {
	modprobe ct_sync && knob fw1 syncdev sync && knob fw2 syncdev sync
}

for round in $(seq $ROUNDS); do
	check "round $round: the module loads" starts
	wait_until at_least fw2 frames_received 1 || note "round $round: the nodes have not heard each other"
	check "round $round: the module unloads" timeout $((20 * SLOWNESS)) modprobe -r ct_sync
done
jobs -p | xargs kill -9
wait 2>/dev/null
for node in client fw1 fw2; do ip netns pids $node | xargs -r kill -9; done
on fw1 conntrack -F 2>/dev/null

check "ct_sync starts after all" start_ct_sync
version=$(modinfo -F version ct_sync)
check "modinfo shows a version" [ -n "$version" ]
check "the node is of that version" is fw1 version "$version"
on client bash -c "echo x >/dev/udp/$SERVER/1001"
check "replication works" wait_until has fw2 "udp.*src=$CLIENT .*dport=1001 "
check "the tables are equal" wait_until same_tables
finish
