#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# With `cmarkbit` only the flows whose mark has that bit are replicated; a flow joins when the bit is set, and is withdrawn
# when it is cleared.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash

# remark PORT MARK: sets the mark of the flow from a source port, on the primary.
remark() { on fw1 conntrack -U -p tcp --orig-port-src "$1" --mark "$2" >/dev/null 2>&1; }

# A backup has everything of the primary that has the bit.
same_marked() { diff -U0 <(table fw1 | grep -E 'mark=(8|12|24) ?') <(table fw2); }

topology
for node in $FIREWALLS; do
	on "$node" nft -f - <<-'EOF'
		table inet marks {
			chain forward {
				type filter hook forward priority -10;
				ct state new tcp sport { 1001, 1003 } ct mark set 8
				ct state new tcp sport 1004 ct mark set 0x10
			}
		}
	EOF
done
start_flows
flow listen server 7
modprobe ct_sync
for node in $FIREWALLS; do
	knob "$node" cmarkbit 3
done
check "ct_sync starts" start_ct_sync
check "the knob is as it was set" [ "$(knob fw1 cmarkbit)" = 3 ]

for port in 1001 1002 1004; do
	flow open "$port" client tcp $SERVER 7 "$port"
done
flow open 1003 client tcp $SERVER6 7 1003
check "a marked flow is replicated" wait_until has fw2 "tcp .*sport=1001 .*mark=8"
check "a marked flow is replicated, IPv6" wait_until has fw2 "tcp .*sport=1003 .*mark=8"
check "an unmarked flow is not" hasnt fw2 "sport=1002"
check "a flow with another bit is not" hasnt fw2 "sport=1004"

remark 1002 12
check "it is when its bit is set later" wait_until has fw2 "sport=1002 .*mark=12"
remark 1004 24
check "so is the one with another bit" wait_until has fw2 "sport=1004 .*mark=24"
remark 1001 4
check "a flow is withdrawn when its bit is cleared" wait_until hasnt fw2 "sport=1001"
check "it stays on the primary" has fw1 "tcp .*ESTABLISHED .*sport=1001"
remark 1001 8
check "and comes back with the bit" wait_until has fw2 "sport=1001 .*mark=8"
flow close 1001
check "the marked flows are equal" wait_until same_marked

knob fw1 resync 1
check "a resync is completed" wait_until at_least fw2 resyncs_completed 2
check "the marked flows are equal after it" wait_until same_marked
knob fw1 cmarkbit -1
check "without a bit all are replicated" wait_until same_tables
finish
