#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# Every state of TCP, and every segment that may come next, from either side: after a takeover it fares as it would have
# without one, and leaves the entry in the same state. The kernel itself is the model: each case is played twice.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# Longer than the test, and different from each other: an entry must have the timeout of its state.
TIMEOUTS='syn_recv=2000 fin_wait=3000 close_wait=4000 last_ack=5000 time_wait=6000 close=7000'

STATES='SYN_SENT SYN_SENT2 SYN_RECV ESTABLISHED FIN_WAIT FIN_WAIT-server CLOSE_WAIT CLOSE_WAIT-server LAST_ACK LAST_ACK-both
	TIME_WAIT CLOSE CLOSE-server'

topology
quiet_nodes
start_flows segments.py
strict=(netfilter/nf_conntrack_tcp_be_liberal=0 netfilter/nf_conntrack_tcp_loose=0)
for pair in $TIMEOUTS; do strict+=("netfilter/nf_conntrack_tcp_timeout_$pair"); done
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings "${strict[@]}")"
done
check "ct_sync starts" start_ct_sync
check "connections come to every state" flow sweep
check "the models get their next segments" flow models fw1
check "the tables are equal" wait_until same_tables
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "the others get theirs after the takeover" flow takeover fw2
for state in $STATES; do
	check "as without a takeover: $state" flow verdict "$state"
done
finish
