#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# TCP windows across takeovers, with crafted segments and strict firewalls: downloads, uploads, what is half open and half
# closed, large windows, a retransmission that comes first; after the grace what is outside of the window is refused again.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# Beyond every window but the largest, and beyond that one too.
FAR=$((1 << 28)) FARTHER=1500000000
OPEN='>S,<SA,>A'

# change FROM TO: moves role and addresses, as keepalived does.
change() {
	knob "$1" state 0
	takeover "$2"
	knob "$2" state 1
}

topology
quiet_nodes
start_flows segments.py
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings netfilter/nf_conntrack_tcp_be_liberal=0 netfilter/nf_conntrack_tcp_loose=0 \
		netfilter/nf_conntrack_tcp_timeout_close=600)"
done
check "ct_sync starts" start_ct_sync
check "connections open" play \
	download "$OPEN,>A len=100,<A len=1400,<A len=1400,>A" download6 "$OPEN,>A len=100,<A len=1400,<A len=1400,>A" \
	upload "$OPEN,<A,>A len=1400,>A len=1400,<A" upload6 "$OPEN,<A,>A len=1400,>A len=1400,<A" \
	idle "$OPEN" half "$OPEN,>FA,<A,<A len=1400" served "$OPEN,<FA,>A,>A len=1400" \
	unanswered '>S' unanswered6 '>S' halfway '>S,<SA' halfway6 '>S,<SA' \
	reset "$OPEN,>A len=100,<A len=100" refused "$OPEN,>A len=100,<A len=100" \
	big "$OPEN,>A len=100,<A len=1400,>A" big6 "$OPEN,>A len=100,<A len=1400,>A" \
	holes "$OPEN,<A len=1400,<A len=1400,>A ack-1400,<A len=1400,>A ack-2800 sack=1400:2800" \
	hang "$OPEN,<A,>A len=1400,>A len=1400,<A" hang6 "$OPEN,<A,>A len=1400,>A len=1400,<A" quiet "$OPEN" \
	reopened "$OPEN,>RA" reopened6 "$OPEN,<R" stale "$OPEN,<A len=1400,>A" unacknowledged "$OPEN,>A len=100"
check "what is outside of a window is refused" play idle ">A seq+$FAR len=10 old !" upload "<A seq+$FAR len=10 old !" \
	big6 "<A seq+$FARTHER len=10 old !" download "<A ack+$FAR !"
check "what is inside of a large one passes" play big "<A seq+100000000 len=1000,>A" big6 "<A seq+100000000 len=1000,>A"
# Every entry is sent as it is now; of the acknowledgement that follows there is no event. (Not by an update with conntrack(8):
# windows of entries that it has updated were not checked any more.)
knob fw1 resync 1
check "every entry is sent" wait_until at_least fw2 resyncs_completed 2
check "the tables are equal" wait_until same_tables
check "a last segment is acknowledged" play unacknowledged '<A'

change fw1 fw2
check "a connection passes before it is idle" play unacknowledged '>A'
check "it may be idle as long as any" flow lasts unacknowledged fw2 400000
check "connections go on after a takeover" play \
	download '<A len=1400,>A,<A len=1400,<A len=1400,>A' download6 '<A len=1400,>A,<A len=1400,<A len=1400,>A' \
	upload '>A len=1400,<A,>A len=1400,<A' upload6 '>A len=1400,<A,>A len=1400,<A' \
	half '<A len=1400,>A,<FA,>A' served '>A len=1400,<A,>FA,<A' \
	unanswered '<SA,>A,>A len=10,<A' unanswered6 '<SA,>A,>A len=10,<A' halfway '>A,>A len=10,<A' halfway6 '<SA seq-1 old,>A,<A len=10,>A' \
	reset '>RA' refused '<R' big '<A seq+100000000 len=1000,>A' big6 '>A,<A seq+100000000 len=1000,>A' \
	holes '>A ack-2800 sack=1400:2800,<A seq-2800 len=1400 old,>A' \
	hang '>A seq-2800 len=1400 old,<A,>A len=1400,<A' hang6 '>A seq-2800 len=1400 old,<A,>A len=1400,<A' \
	reopened '>S seq+100000,<SA seq+100000,>A,>A len=10,<A' reopened6 '>S seq+100000,<SA seq+100000,>A,>A len=10,<A'
check "windows are not checked during the grace" play idle ">A seq+$FAR len=10 old"
check "the first firewall is in step" wait_until is fw1 synced 1
check "the tables are equal again" wait_until same_tables fw2 fw1

knob fw1 tcp_grace 1
change fw2 fw1
check "connections go on after another" play \
	download '<A len=1400,>A' download6 '<A len=1400,>A' upload '<A,>A len=1400,<A' upload6 '<A,>A len=1400,<A' \
	unanswered '>A len=10,<A' halfway6 '<A len=10,>A' big '>A,<A seq+100000000 len=1000,>A' big6 '<A seq+100000000 len=1000,>A' \
	holes '<A len=1400,>A' hang '>A seq-2800 len=1400 old,<A' hang6 '>A seq-2800 len=1400 old,<A' stale '>A len=10,<A'
# Segments inside of the windows, from both sides, until the windows have been looked at three times: after 1, 6 and 11 s.
# What a retransmission alone has taught is forgotten by the first look: then one segment of each side teaches the truth.
teach() {
	local end=$((SECONDS + 14)) woken=no
	while [ $SECONDS -lt $end ]; do
		play download '<A len=10,>A' download6 '<A len=10,>A' upload '>A len=10,<A' upload6 '>A len=10,<A' \
			unanswered '>A len=10,<A' big '<A len=10,>A' big6 '<A len=10,>A' holes '<A len=10,>A' || return
		if [ $woken = no ] && [ $SECONDS -gt $((end - 11)) ]; then
			play hang6 '<A,>A' || return
			woken=yes
		fi
		sleep 0.2
	done
}
check "connections go on" teach
check "what is outside of a window is refused again after the grace" play \
	download "<A seq+$FAR len=10 old !" download6 "<A ack+$FAR !" upload "<A seq+$FAR len=10 old !" \
	upload6 ">A seq+$FAR len=10 old !" unanswered ">A seq+$FAR len=10 old !" big "<A seq+$FARTHER len=10 old !" \
	big6 "<A seq+$FARTHER len=10 old !" holes "<A ack+$FAR !" hang6 "<A seq+$FAR len=10 old !"
check "what is inside passes" play \
	download '<A len=1400,>A' download6 '<A len=1400,>A' upload '>A len=1400,<A' upload6 '>A len=1400,<A' \
	unanswered '>A len=10,<A' halfway6 '<A len=10,>A' big '<A seq+100000000 len=1000,>A' big6 '<A seq+100000000 len=1000,>A' \
	holes '<A len=1400,>A' quiet '>A len=10,<A len=10,>A'
check "a connection whose windows are not known does not hang" play hang '<A,>A len=1400,<A,>A len=1400,<A' \
	hang6 '<A,>A len=1400,<A,>A len=1400,<A'
check "one that wakes by a retransmission does not" play stale '<A seq-1400 len=1400 old,>A,<A len=1400,>A'

# It becomes primary again without a word of what happened meanwhile.
ip -n switches link set sync.fw1 down
change fw1 fw2
check "a download goes on elsewhere" play stale \
	'<A seq+100000 len=100,>A,<A seq+100000 len=100,>A,<A seq+100000 len=100,>A,<A seq+100000 len=100,>A,<A seq+100000 len=100,>A'
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "it goes on where its windows are old" play stale '<A len=1400,>A,<A len=1400,>A'
finish
