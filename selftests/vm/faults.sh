#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory allocations fail: each one of a start, one after the other, and every sixth of what runs. Nothing but an errno comes
# of it, a node that could not start starts at the next try, and what was lost is made good when memory is there again.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 240
# allow: ref_tracker: memory allocation failure|VM_FAULT_OOM leaked out|kmemleak: Cannot allocate a scan area

. ./lib.sh

FAULTS="/sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc"
[ -d /sys/kernel/debug/failslab ] || skip "this kernel has no fault injection"

# Percent of the allocations that fail while it runs.
PERCENT=15
# Allocations of the loading of the module that are tried.
LOADS=24

# fault SETTING=VALUE...: sets what decides about faults, for both kinds of allocations.
fault() {
	local kind pair
	for kind in $FAULTS; do
		for pair in "$@"; do
			[ ! -e "$kind/${pair%%=*}" ] || echo "${pair#*=}" >"$kind/${pair%%=*}"
		done
	done
}

# only_below_module: restricts faults to allocations that are made by the module or on its behalf, in whatever context.
only_below_module() {
	local first last
	read -r first last < <(awk '$4 == "[ct_sync]" && tolower($2) == "t" { print $1 }' /proc/kallsyms | sort | sed -n '1p;$p' | paste -sd ' ')
	[ -n "$last" ] && fault require-start=0x"$first" require-end="$(printf 0x%x $((0x$last + 4096)))"
}

everywhere() { fault require-start=0 require-end=0xffffffffffffffff; }

# each_fails PATTERN COMMAND...: lets each allocation of a call fail once; all that may come of it is success or what PATTERN says.
each_fails() {
	local pattern=$1 said
	shift
	said=$("$@") || return
	note "$*: $said"
	[[ $said =~ ^[1-9][0-9]*\ failed:\ ((OK|$pattern)\ [0-9]+(,\ )?)+$ ]]
}

# Opens flows and ends some, while replication goes on as it can.
traffic() {
	local round
	for round in 1 2 3 4; do
		on client python3 flood.py $WAN.77 400 $((round * 1000))
		on fw1 conntrack -D -p udp --orig-port-dst $((round * 1000 + 100)) >/dev/null 2>&1
		on fw1 conntrack -U -p udp --orig-port-dst $((round * 1000 + 200)) --mark "$round" >/dev/null 2>&1
	done
	return 0
}

# in_step: whether the backup has all that the primary has.
in_step() { wait_until is fw2 synced 1 && wait_until same_tables; }

# frames_pass NODE COUNT: whether so many more frames are sent.
frames_pass() { wait_until at_least "$1" frames_sent "$(($(value "$1" frames_sent) + $2))"; }

fault probability=0 verbose=0 times=-1 interval=1 space=0 task-filter=N stacktrace-depth=32 ignore-gfp-wait=N ignore-gfp-highmem=N min-order=0
everywhere
# What the module needs stays loaded.
modprobe ct_sync && rmmod ct_sync
check "loading the module" each_fails 'ENOMEM|ENOBUFS' python3 faults.py load /payload/ct_sync.ko $LOADS
topology
ip -n fw1 neighbour replace $WAN.77 lladdr 02:00:00:00:00:77 dev wan nud permanent
for node in $FIREWALLS; do on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600; done
modprobe ct_sync
only_below_module
check "a new namespace" each_fails ENOMEM python3 faults.py namespace
# ENFILE is what sock_alloc() makes of it.
check "starting replication" each_fails 'ENOMEM|ENOBUFS|ENFILE' on fw1 python3 faults.py write /proc/sys/net/netfilter/ct_sync/syncdev sync ''
check "l2drop" each_fails ENOMEM on fw1 python3 faults.py write /proc/sys/net/netfilter/ct_sync/l2drop 2 0
check "ct_sync starts" start_ct_sync

on fw1 conntrack -E >/dev/null 2>&1 &
fault probability=$PERCENT
check "traffic passes while allocations fail" traffic
check "the primary sends all the same" frames_pass fw1 20
echo 1 | on fw1 tee /proc/sys/net/netfilter/ct_sync/resync >/dev/null
check "also a resync" frames_pass fw1 20
traffic
fault probability=0
note "fw1: $(on fw1 grep -E '^(send_failed|events_destroy_deferred) ' /proc/net/ct_sync | paste -sd ' ')"
note "fw2: $(on fw2 grep -E '^entries_(no_memory|nat_diverged|busy) ' /proc/net/ct_sync | paste -sd ' ')"
check "frames were not sent" at_least fw1 send_failed 1
check "entries were not made" at_least fw2 entries_no_memory 1
check "no lack of memory is called a conflict of NAT" is fw2 entries_nat_diverged 0
check "the backup is in step again" in_step

# Every allocation of the threads, not only those that the module's functions ask for.
everywhere
fault task-filter=Y
pgrep 'ct_sync-(tx|rx)' | while read -r thread; do echo 1 >"/proc/$thread/make-it-fail"; done
fault probability=$PERCENT
traffic
check "the threads go on" frames_pass fw1 20
fault probability=0 task-filter=N
check "the backup is in step again after that" in_step

# A takeover while there is no memory.
only_below_module
fault probability=$PERCENT
traffic
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "a takeover" frames_pass fw2 5
fault probability=0
everywhere
check "the tables are equal after it" wait_until same_tables fw2 fw1
check "the old primary is in step" wait_until is fw1 synced 1
finish
