#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# A backup that joins late gets all, one that returns loses what ended meanwhile and keeps what is its own; a primary that
# restarts is followed; `resync` starts a resync from either side.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# Flows that fill more than one frame.
MANY=100

# Opens that many UDP flows from one port to as many.
open_many() {
	local port
	for port in $(seq 20001 $((20000 + MANY))); do
		flow open "$port" client udp $SERVER "$port" && flow send "$port" || return
	done
}

# count NODE PATTERN NUMBER: whether so many entries of the node match.
count() {
	local have
	have=$(has "$1" "$2" | wc -l)
	echo "$1 has $have entries that match '$2', expected $3"
	[ "$have" = "$3" ]
}

# rises NODE NAME: whether a counter is higher than at `before`.
declare -A before
remember() { before[$1.$2]=$(value "$1" "$2"); }
rises() { at_least "$1" "$2" $((before[$1.$2] + 1)); }

# The tables of both nodes, but for the backup's own flow.
same_forwarded() { diff -U0 <(table fw1) <(table fw2 | grep -v "dst=$LAN.3"); }

topology
start_flows
flow listen server 7
flow listen fw2 22
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
done
modprobe ct_sync
knob fw1 syncdev sync
knob fw1 state 1
flow open early client tcp $SERVER 7 1001
flow open early6 client tcp $SERVER6 7 1002
flow open fw2 client tcp $LAN.3 22 1003
check "flows open on a lone primary" open_many
check "all is in its table" count fw1 "dport=20[0-9]{3} .*src=$SERVER" $MANY

knob fw2 syncdev sync
check "a late backup is synced" wait_until is fw2 synced 1
check "it has all" wait_until count fw2 "dport=20[0-9]{3} .*src=$SERVER" $MANY
check "it has the same" wait_until same_forwarded
check "its own flow was never sent" has fw2 "dst=$LAN.3 .*sport=1003"

knob fw2 syncdev ''
check "a backup without syncdev is not synced" [ "$(knob fw2 synced)" = 0 ]
on fw1 conntrack -D -p udp --orig-port-dst 20001 >/dev/null 2>&1
on fw1 conntrack -D -p tcp --orig-port-src 1001 >/dev/null 2>&1
flow open late client tcp $SERVER 7 1004
check "meanwhile it keeps what it has" has fw2 "dport=20001"
knob fw2 syncdev sync
check "it is synced again" wait_until is fw2 synced 1
check "what ended meanwhile is swept" is fw2 entries_swept 2
check "what began meanwhile is there" has fw2 "sport=1004"
check "the tables are equal" wait_until same_forwarded
check "its own flow was not swept" has fw2 "dst=$LAN.3 .*sport=1003 .*ASSURED"
check "and works" flow echo fw2

remember fw2 epoch
knob fw1 syncdev ''
flow open between client tcp $SERVER 7 1005
on fw1 conntrack -D -p udp --orig-port-dst 20002 >/dev/null 2>&1
check "the backup misses the primary" wait_until is fw2 synced 0
check "but keeps its entries" has fw2 "dport=20002"
knob fw1 syncdev sync
check "a restarted primary is still one" [ "$(knob fw1 state)" = 1 ]
check "the backup is synced with it" wait_until is fw2 synced 1
check "its epoch is higher" rises fw2 epoch
check "what it did meanwhile has arrived" wait_until has fw2 "sport=1005"
check "the tables are equal after the restart" wait_until same_forwarded

# A primary that knows nothing of what was before: another machine with the same role, as after a reboot.
remember fw2 epoch
knob fw1 syncdev ''
modprobe -r ct_sync
modprobe ct_sync
knob fw2 syncdev sync
knob fw1 syncdev sync
knob fw1 state 1
check "both start anew: synced" wait_until is fw2 synced 1
check "both start anew: the tables are equal" wait_until same_forwarded

# An entry's stamps of an earlier run must not be taken for those of this one, whatever the number of resyncs in each.
for round in 1 2 3 4; do
	flow open "round$round" client tcp $SERVER 7 "200$round"
	knob fw1 syncdev ''
	[ $round -gt 2 ] || knob fw2 syncdev ''
	on fw1 conntrack -D -p udp --orig-port-dst 2001$round >/dev/null 2>&1
	knob fw1 syncdev sync
	knob fw2 syncdev sync
	check "restart $round: synced" wait_until is fw2 synced 1
	check "restart $round: the tables are equal" wait_until same_forwarded
done

remember fw2 resyncs_completed
knob fw1 resync 1
check "a write on the primary starts a resync" wait_until rises fw2 resyncs_completed
remember fw2 resyncs_completed
knob fw2 resync 1
check "a write on the backup does" wait_until rises fw2 resyncs_completed
remember fw2 entries_swept
on fw2 conntrack -D -p udp --orig-port-dst 20003 >/dev/null 2>&1
knob fw2 resync 1
check "a resync brings back what was lost here" wait_until has fw2 "dport=20003"
check "nothing was swept" is fw2 entries_swept "${before[fw2.entries_swept]}"
check "the tables are equal at the end" wait_until same_forwarded

# A rule has some flows report nothing but their beginning and end.
on fw1 nft insert rule ip nat prerouting udp dport 20200 ct event set new,destroy
flow open mute client udp $SERVER 20200
flow send mute
check "a flow that reports no changes is there" wait_until has fw2 "dport=20200 "
on fw1 conntrack -U -p udp --orig-port-dst 20200 --mark 7 >/dev/null 2>&1
knob fw1 scrub_interval 2
check "a scrub tells of its changes" wait_until has fw2 "dport=20200 .*mark=7"
check "they are no corrections" uncorrected fw2
finish
