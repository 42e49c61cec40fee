#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Flows that a flowtable carries past conntrack, TCP and UDP, with NAT: no event tells of their packets, and their copies
# live on however long that lasts. After a takeover they pass, are tracked, and are carried by the other node's flowtable; the
# old primary's flowtable gives them back, and its entries become copies.
#
#   client ── fw1, fw2 ── server

. ./lib.sh || exit
. ./flows.bash

# Seconds: after IDLE without packets the flowtable gives a UDP flow back, whose entry then has STREAM - IDLE left.
IDLE=$((2 * SLOWNESS)) STREAM=$((3 * SLOWNESS))

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

# The flows are busy until an idle one would be gone.
busy() {
	local end=$((SECONDS + STREAM + IDLE))
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
	on "$node" sh -c "$(settings netfilter/nf_conntrack_udp_timeout_stream=$STREAM netfilter/nf_flowtable_udp_timeout=$IDLE \
		netfilter/nf_flowtable_tcp_timeout=$IDLE)"
done
start_flows
flow listen server 7
check "ct_sync starts" start_ct_sync
check "a TCP flow opens" flow open tcp client tcp $SERVER 7 1001
check "a UDP flow opens" flow open udp client udp $SERVER 7 1002
check "they pass" flows echo tcp udp
check "the backup has them" wait_until equal
knob fw1 scrub_interval 1
for node in $FIREWALLS; do
	check "$node has a flowtable" flowtable "$node"
done
check "it carries them" wait_until carries fw1
served=$(value fw1 resyncs_served)
check "they are busy" busy
check "they still are carried" offloaded fw1 tcp
check "the backup still has them" wait_until equal
check "they are not carried there" hasnt fw2 OFFLOAD
check "scrubs have come round" wait_until at_least fw1 resyncs_served $((served + 2))
check "they find nothing to correct" uncorrected fw2
check "they are carried at this moment" wait_until carries fw1

knob fw1 state 0
takeover fw2
knob fw2 state 1
check "they pass after the takeover" flows echo tcp udp
check "the other flowtable carries them" wait_until carries fw2
check "the old primary is in step" wait_until is fw1 synced 1
check "they are busy" busy
check "the old primary still has them" wait_until equal
check "it carries them no more" wait_until hasnt fw1 OFFLOAD
check "it has lost none in between" is fw1 entries_lost_locally 0
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "they pass after the way back" flows echo tcp udp
check "TCP ends" flow close tcp
check "on both nodes" wait_until hasnt fw1 'tcp .*ESTABLISHED'
check "and is equal" wait_until equal
finish
