#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A flow that reports nothing but its beginning and end, since a rule has it so: its changes are told of by a walk of their own,
# also where there are no scrubs.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# long: yes
# time: 420

. ./lib.sh
. ./flows.bash

topology
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
for node in $FIREWALLS; do knob "$node" scrub_interval 0; done
on fw1 nft insert rule ip nat prerouting udp dport 7 ct event set new,destroy
on fw1 sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600 net.netfilter.nf_conntrack_udp_timeout_stream=600
check "a flow opens" flow open mute client udp $SERVER 7
flow send mute
check "the backup has it" wait_until has fw2 "dport=7 "
# The walk that meets it for the first time plans the next.
knob fw1 resync 1
check "a resync" wait_until at_least fw1 resyncs_served 2
on fw1 conntrack -U -p udp --orig-port-dst 7 --mark 7 >/dev/null 2>&1
sleep 2
check "its change is not reported" hasnt fw2 "dport=7 .*mark=7"
WAIT_SECONDS=330
check "a walk tells of it" wait_until has fw2 "dport=7 .*mark=7"
check "that is no correction" uncorrected fw2
finish
