#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Packet and byte counters: not told of by default; with `counters_interval` refreshed that often, exact at a scrub, and
# a node that takes over counts on.
#
#   client ── fw1 (then fw2) ── server

. ./lib.sh || exit
. ./flows.bash

# What a node's entry of the flow has counted in both directions.
counters() { on "$1" conntrack -L -p udp --orig-port-src 1001 2>/dev/null | grep -oE '(packets|bytes)=[0-9]+' | paste -sd ' '; }

# Both nodes have counted the same, and something.
same() {
	local first second
	first=$(counters fw1) second=$(counters fw2)
	echo "fw1: $first; fw2: $second"
	[ "$first" = "$second" ] && [[ $first == packets=[1-9]* ]]
}

# Nothing is counted on the backup.
zero() {
	echo "fw2: $(counters fw2)"
	[ "$(counters fw2)" = 'packets=0 bytes=0 packets=0 bytes=0' ]
}

# packets NODE: those of the original direction.
packets() { counters "$1" | sed -E 's/packets=([0-9]+) .*/\1/'; }

# counted NODE MIN: whether the node has counted at least so many packets.
counted() {
	echo "$1: $(counters "$1"), expected at least $2 packets"
	[ "$(packets "$1")" -ge "$2" ]
}

# Packets that no event tells of.
busy() { flows echo flow flow flow flow; }

# Another walk of the primary's table is complete.
walked() {
	local served
	served=$(value fw1 resyncs_served)
	"$@" && wait_until at_least fw1 resyncs_served $((served + 1))
}

# No walk ends for longer than the short interval.
rests() {
	local served
	served=$(value fw1 resyncs_served)
	sleep 1.7
	is fw1 resyncs_served "$served"
}

topology
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings netfilter/nf_conntrack_acct=1)"
done
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "a flow opens" flow open flow client udp $SERVER 7 1001
check "it is busy" busy
check "the backup has it" wait_until has fw2 'sport=1001'
check "a resync" walked knob fw1 resync 1
check "tells of no counters" zero

for node in $FIREWALLS; do
	knob "$node" scrub_interval 0
	check "they are switched on at $node" knob "$node" counters_interval 1
done
check "the backup gets them" wait_until same
check "more is counted" busy
WAIT_SECONDS=3
check "the backup gets that within the interval" wait_until same
WAIT_SECONDS=10
knob fw1 counters_interval 86400
check "the walks of the short interval end" wait_until rests
check "more is counted, and the interval is long" busy
sleep 1.2
check "the backup does not get it" cant same
check "a resync" walked knob fw1 resync 1
check "makes them exact" wait_until same
check "a scrub" walked knob fw1 scrub_interval 1
check "finds nothing to correct" uncorrected fw2

before=$(packets fw2)
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "the flow passes after the takeover" busy
check "the new primary counts on" counted fw2 $((before + 4))
check "the old one gets that" wait_until same
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "the flow passes after the way back" busy
check "fw1 counts on" counted fw1 $((before + 8))

on fw2 sh -c "$(settings netfilter/nf_conntrack_acct=0)"
check "a flow opens that the backup would not count by itself" flow open other client udp $SERVER 7 1002
check "it is busy" flows echo other other other other
there() { on fw2 conntrack -L -p udp --orig-port-src 1002 2>/dev/null | grep -E 'packets=[1-9].*packets=[1-9]'; }
check "the backup has its counters all the same" wait_until there
finish
