#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The link between the nodes hardly moves: the socket's buffer is full, and the first send of each round waits until it gives up.
# Nothing is lost for good, and neither the module nor the namespace hangs when it goes in that state. (Full rings: overload.sh.)
#
#   client ── fw1 (primary), fw2 (backup) ── server
#                  └── tbf ──┘
#
# time: 240

. ./lib.sh
. ./churn.bash
topology
start_churn
modprobe sch_tbf || skip "no tbf"
FLOWS=6000
FLOODS_MAX=5
next=1

# flood COUNT: opens new flows through the primary to a host that never answers.
flood() {
	on client python3 flood.py "$SINK" "$1" $next
	next=$((next + $1))
}

# stall: slows the link down and opens flows until the sender is stuck. Fails when that takes too many.
stall() {
	local failed _
	failed=$(value fw1 send_failed)
	flood 2000
	on fw1 tc qdisc add dev sync root tbf rate 1kbit burst 2k limit 100m
	for _ in $(seq $FLOODS_MAX); do
		flood $FLOWS
		[ "$(value fw1 send_failed)" = "$failed" ] || break
	done
	at_least fw1 send_failed $((failed + 1))
}

starts() {
	local node
	modprobe ct_sync || return
	for node in fw1 fw2; do
		knob $node flush_us 0
		knob $node resync_rate 0
		knob $node syncdev sync
	done
	knob fw1 state 1
	wait_until is fw2 synced 1
}
same_size() { is fw2 table_count "$(value fw1 table_count)"; }

for node in fw1 fw2; do ip -n $node link set sync mtu 576; done

check "ct_sync starts" starts
check "the sender gets stuck" stall
flood 1000
check "the primary answers all the same" timeout $((1 * SLOWNESS)) busybox nsenter -n/run/netns/fw1 busybox cat /proc/net/ct_sync
flood 1000
check "it becomes a backup and a primary all the same" timeout $((2 * SLOWNESS)) busybox nsenter -n/run/netns/fw1 \
	busybox sh -c 'cd /proc/sys/net/netfilter/ct_sync && echo 0 >state && echo 1 >state'
on fw1 tc qdisc delete dev sync root
WAIT_SECONDS=60
check "the backup is synced again" wait_until is fw2 synced 1
check "its table has the same size" wait_until same_size
check "the tables are equal" wait_until same_tables
on fw1 conntrack -F 2>/dev/null
check "no end is lost" wait_until hasnt fw2 "dst=$SINK "

check "the sender gets stuck again" stall
check "the module unloads" timeout $((20 * SLOWNESS)) modprobe -r ct_sync
on fw1 tc qdisc delete dev sync root
on fw1 conntrack -F 2>/dev/null

check "it starts again" starts
check "the sender gets stuck once more" stall
ip netns delete fw1
FIREWALLS=fw2
check "the namespace goes, with its threads" wait_until eval '[ "$(pgrep -c ct_sync-tx)" = 1 ]'
check "the backup notices" wait_until is fw2 synced 0
finish
