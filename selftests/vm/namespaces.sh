#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 120
#
# Two clusters in one machine, of two firewalls each, with different settings, know nothing of each other; and a firewall's
# namespace may be deleted under traffic, as primary and as backup.
#
#   client ── fw1, fw2 ── server      one cluster, on sync
#   client ── fw3, fw4 ── server      the other, on the same sync, with another cluster_id, port and group

. ./lib.sh
. ./flows.bash
TEMPORARY=$(mktemp -d)

# The other cluster's virtual addresses.
OTHER=9

declare -A NUMBER=([fw1]=1 [fw2]=1 [fw3]=$OTHER [fw4]=$OTHER)

# Each cluster gives flows its own virtual address.
ruleset() {
	on "$1" nft -f - <<-EOF
		table ip nat {
			chain postrouting { type nat hook postrouting priority srcnat; oifname wan snat to $WAN.${NUMBER[$1]}; }
		}
	EOF
}

other_takeover() {
	ip -n "$1" address replace $LAN.$OTHER/24 dev lan
	ip -n "$1" address replace $WAN.$OTHER/24 dev wan
}

# Opens flows through both clusters until the file is gone: to the networks that only the respective route reaches.
traffic() {
	while [ -e "$TEMPORARY/traffic" ]; do
		on client python3 - <<-EOF
			import socket
			for port in range(200):
			    for server in "$SERVER", "198.51.100.10":
			        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
			            flow.sendto(b"x", (server, 10000 + port))
		EOF
	done
}

# grows NODE: whether flows reach the node's table all the time.
grows() { [ "$(on "$1" conntrack -C)" -gt 0 ]; }

# no_namespace NODE: whether the kernel has taken down a deleted namespace: its interfaces are gone with it.
no_namespace() { ! ip -n switches link show "sync.$1" 2>/dev/null; }

topology 4
other_takeover fw3
ip -n server address add 198.51.100.10/32 dev wan
ip -n client route add 198.51.100.0/24 via $LAN.$OTHER
for node in fw3 fw4; do
	ip -n "$node" route add 198.51.100.0/24 via $SERVER
done
start_flows
flow listen server 7
modprobe ct_sync

for node in fw3 fw4; do
	knob $node cluster_id 7
	knob $node port 4000
	knob $node group 224.0.0.250
	knob $node cmarkbit -1
	knob $node heartbeat_ms 200
done
check "knobs of the other cluster are not the first one's" [ "$(knob fw1 port) $(knob fw3 port)" = "3781 4000" ]
for node in fw1 fw2 fw3 fw4; do
	knob $node syncdev sync
done
knob fw1 state 1
check "the role is the namespace's own" [ "$(knob fw3 state)" = 0 ]
knob fw3 state 1
check "the first cluster is synced" wait_until is fw2 synced 1
check "the other cluster is synced" wait_until is fw4 synced 1
check "a node has one peer" [ "$(on fw1 grep -c ^peer /proc/net/ct_sync)" = 1 ]

check "a flow opens through the first" flow open first client tcp $SERVER 7 1001
check "a flow opens through the other" flow open other client tcp 198.51.100.10 7 1002
check "the first cluster's backup has it" wait_until has fw2 "sport=1001"
check "the other cluster's backup has it" wait_until has fw4 "sport=1002"
check "the first cluster has not the other's" hasnt fw2 "sport=1002"
check "the other has not the first one's" hasnt fw4 "sport=1001"

# The same port and group, so that only the number of the cluster keeps them apart.
for node in fw3 fw4; do
	knob $node port 3781
	knob $node group 224.0.0.254
done
check "on one group, the other cluster is synced" wait_until is fw4 synced 1
check "frames of the other cluster are refused and counted" wait_until at_least fw2 frames_other_cluster 5
check "the first cluster is still synced" is fw2 synced 1
check "there is still one peer" [ "$(on fw1 grep -c ^peer /proc/net/ct_sync)" = 1 ]
knob fw3 resync 1
check "a resync of the other" wait_until at_least fw4 resyncs_completed 1
check "nothing of it is in the first" hasnt fw2 "sport=1002"

: >"$TEMPORARY/traffic"
traffic &
check "traffic reaches the first backup" wait_until grows fw2
check "traffic reaches the other backup" wait_until grows fw4
ip netns delete fw2
check "a backup's namespace ends under traffic" wait_until no_namespace fw2
ip netns delete fw3
check "a primary's namespace ends under traffic" wait_until no_namespace fw3
check "the first primary goes on" flow echo first
check "the other's backup misses its primary" wait_until is fw4 synced 0
other_takeover fw4
knob fw4 state 1
ip -n client neighbour flush dev lan
ip -n server neighbour flush dev wan
check "and takes over" flow echo other
rm "$TEMPORARY/traffic"
wait $!

FIREWALLS='fw1 fw4'
check "a running module unloads" modprobe -r ct_sync
check "the flows stay" flows echo first other
finish
