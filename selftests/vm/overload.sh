#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 150
#
# Events come faster than the sender takes them, since it gets no time: rings are full, ends of connections are refused. It
# costs delay, not state. And the module unloads in the middle of it.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh

# More than all rings hold (4096 keys a processor).
FLOWS=12000

# The kernel gives threads without such a priority a twentieth of the processor all the same, unless it is told not to.
FAIR=/sys/kernel/debug/sched/fair_server/cpu0/runtime

# starved COMMAND...: runs COMMAND on the one processor to which the senders are bound, with a priority above theirs.
starved() { chrt --fifo 50 taskset --cpu-list 0 "$@"; }

# Binds the senders to that processor.
bind_senders() {
	pgrep ct_sync-tx | while read -r thread; do
		taskset --cpu-list --pid 0 "$thread" >/dev/null
	done
}

# Opens FLOWS flows of UDP, each with one packet.
flood() {
	starved ip netns exec client python3 - <<-EOF
		import socket
		with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
		    for port in range(20000, 20000 + $FLOWS):
		        flow.sendto(b"x", ("$SERVER", port))
	EOF
}

# count NODE: entries of the flood in the node's table.
count() { on "$1" conntrack -L -p udp 2>/dev/null | grep -c 'dport=[23][0-9]\{4\} '; }

counts() {
	local have
	have=$(count "$1")
	echo "$1 has $have, expected $2"
	[ "$have" = "$2" ]
}

topology
on server nft -f - <<<'table ip quiet { chain input { type filter hook input priority 0; udp dport >= 20000 drop; }; }'
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
done
limit=$(sysctl -n net.netfilter.nf_conntrack_max) throttle=$(sysctl -n kernel.sched_rt_runtime_us)
fair=$(cat $FAIR 2>/dev/null) || true
restore() {
	sysctl -qw net.netfilter.nf_conntrack_max="$limit" kernel.sched_rt_runtime_us="$throttle"
	[ -z "$fair" ] || echo "$fair" >$FAIR
}
trap 'restore; cleanup' EXIT
sysctl -qw net.netfilter.nf_conntrack_max=65536 kernel.sched_rt_runtime_us=-1
[ -z "$fair" ] || echo 0 >$FAIR
check "ct_sync starts" start_ct_sync
bind_senders
on client ping -c 1 -W 5 $SERVER >/dev/null

check "a flood passes" flood
check "all of it is on the primary" counts fw1 $FLOWS
check "rings were full" at_least fw1 events_ring_full 1
WAIT_SECONDS=30
check "all of it arrives" wait_until counts fw2 $FLOWS
check "by scans" at_least fw1 scan_runs 1
check "the tables are equal" wait_until same_tables

starved ip netns exec fw1 conntrack -D -p udp >/dev/null 2>&1
check "ends were refused, to be offered again" at_least fw1 events_destroy_deferred 1
check "all ends arrive" wait_until counts fw2 0
check "the primary keeps no dying entries" wait_until counts fw1 0
check "the tables are equal at the end" wait_until same_tables

flood &
check "it unloads under the flood" modprobe -r ct_sync
wait $!
check "the flood passed all the same" counts fw1 $FLOWS
finish
