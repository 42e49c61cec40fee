#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Flows that a flowtable carries past conntrack, TCP and UDP, with NAT: no event tells of their packets, and their copies
# live on however long that lasts. After a takeover they pass, are tracked, and are carried by the other node's flowtable.
#
#   client ── fw1, fw2 ── server

. ./lib.sh || exit
. ./flows.bash

# Timeouts of UDP that pass during the test.
SHORT=3

flowtable() {
	on "$1" nft -f - <<-EOF
		table inet fast {
			flowtable fast { hook ingress priority filter; devices = { lan, wan }; }
			chain forward {
				type filter hook forward priority 10;
				meta l4proto { tcp, udp } flow add @fast
			}
		}
	EOF
}

# offloaded NODE PROTOCOL: whether the flow is carried by the node's flowtable.
offloaded() { has "$1" "$2 .*\[OFFLOAD\]"; }

# carries NODE: whether the node's flowtable gets hold of both flows.
carries() { flows echo tcp udp && offloaded "$1" tcp && offloaded "$1" udp; }

# The flows are busy for twice the timeout.
busy() {
	local end=$((SECONDS + 2 * SHORT + 1))
	while [ $SECONDS -lt $end ]; do
		flows echo tcp udp || return
		sleep 0.5
	done
}

# The entries of a node, without what conntrack shows of flows that are carried or that are not, but not of both.
plain() { table "$1" | sed -E 's/ \[(OFFLOAD|ASSURED)\]//; s/ ESTABLISHED / /'; }

# The tables are equal, but that flows are carried by one node only.
equal() { diff -U0 <(plain fw1) <(plain fw2); }

topology
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings netfilter/nf_conntrack_udp_timeout=$SHORT netfilter/nf_conntrack_udp_timeout_stream=$SHORT)"
	check "$node has a flowtable" flowtable "$node"
done
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "flows open" flow open tcp client tcp $SERVER 7 1001
check "flows open, UDP" flow open udp client udp $SERVER 7 1002
check "the flowtable carries them" wait_until carries fw1
check "the backup has them" wait_until equal
check "they are not carried there" hasnt fw2 OFFLOAD
check "they are busy for long" busy
check "they still are carried" offloaded fw1 tcp
check "the backup still has them" equal
check "a scrub" knob fw1 scrub_interval 1
served=$(value fw1 resyncs_served)
check "comes round" wait_until at_least fw1 resyncs_served $((served + 2))
check "it finds nothing to correct" is fw2 scrub_corrections 0

knob fw1 state 0
takeover fw2
knob fw2 state 1
check "they pass after the takeover" flows echo tcp udp
check "the other flowtable carries them" wait_until carries fw2
check "the old primary is in step" wait_until is fw1 synced 1
check "the tables are equal again" wait_until equal
check "they are busy again" busy
check "the old primary still has them" equal
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "they pass after the way back" flows echo tcp udp
check "TCP ends" flow close tcp
check "on both nodes" wait_until hasnt fw1 'tcp .*ESTABLISHED'
check "and is equal" wait_until equal
finish
