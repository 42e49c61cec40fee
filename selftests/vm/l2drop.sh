#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a backup drops in each mode of l2drop, on which devices, and when it ends.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 150

. ./lib.sh
topology
PASSED="udp:3784 udp:3785 udp:4784 udp:6784 ip:112"

# The addresses of both ends are known to each other: address resolution is dropped too.
# acquainted NODE INTERFACE NODE INTERFACE ADDRESS...: the first node knows where the second one's addresses are.
acquainted() {
	local node=$1 interface=$2 mac address
	mac=$(ip -n "$3" -o link show dev "$4" | sed -E 's/.*ether ([^ ]+).*/\1/')
	shift 4
	for address in "$@"; do
		ip -n "$node" neighbour replace "$address" lladdr "$mac" dev "$interface" nud permanent
	done
}
acquainted fw2 lan client lan $CLIENT $CLIENT6
acquainted client lan fw2 lan $LAN.3 $LAN6:3

coproc DELIVER { python3 deliver.py; }
# deliver FROM TO ADDRESS KIND: whether a datagram arrives, in $WITHIN seconds.
WITHIN=5
deliver() {
	local answer
	echo "$* $WITHIN" >&"${DELIVER[1]}"
	read -r -t $((WAIT_SECONDS * SLOWNESS)) answer <&"${DELIVER[0]}"
	echo "$*: $answer"
	[ "$answer" = arrived ]
}

# passes KIND...: whether all pass between fw2 and the client, both ways, in both families.
passes() {
	local kind
	for kind in "$@"; do
		deliver fw2 client $CLIENT "$kind" && deliver client fw2 $LAN.3 "$kind" &&
			deliver fw2 client $CLIENT6 "$kind" && deliver client fw2 $LAN6:3 "$kind" || return
	done
}

# blocked COMMAND...: whether the delivery fails, and for the reason that l2drop has dropped it.
blocked() {
	local before
	before=$(value fw2 l2dropped)
	! WITHIN=0.2 "$@" && at_least fw2 l2dropped $((before + 1))
}

# stopped KIND...: whether none passes, in neither direction and family.
stopped() {
	local kind
	for kind in "$@"; do
		blocked deliver fw2 client $CLIENT "$kind" && blocked deliver client fw2 $LAN.3 "$kind" &&
			blocked deliver fw2 client $CLIENT6 "$kind" && blocked deliver client fw2 $LAN6:3 "$kind" || return
	done
}

check "ct_sync starts" start_ct_sync
check "all passes at first" passes udp:9 $PASSED
check "nothing was dropped" is fw2 l2dropped 0

knob fw2 l2drop 1
check "mode 1 drops everything" stopped udp:9 udp:3784 ip:112
check "but loopback" deliver fw2 fw2 127.0.0.1 udp:9
check "and replication" eval 'knob fw1 resync 1; wait_until at_least fw2 resyncs_completed 2'

knob fw2 l2drop 2
check "mode 2 drops most" stopped udp:9 udp:3783 ip:113
check "but lets VRRP and BFD pass" passes $PASSED

knob fw2 l2drop 1
knob fw1 state 0
knob fw2 state 1
check "promotion lifts it at once" passes udp:9
knob fw2 state 0
check "demotion restores it at once" blocked deliver client fw2 $LAN.3 udp:9
knob fw1 state 1
check "the backup is synced" wait_until is fw2 synced 1
knob fw2 l2drop 0
check "mode 0 lifts it" passes udp:9
knob fw2 l2drop 1

note "devices that come and go"
for interface in new port; do
	ip -n switches link add lan.$interface type veth peer name $interface netns fw2
	ip -n switches link set lan.$interface master lan up
	ip -n fw2 link set $interface up
done
ip -n fw2 address add $LAN.30/24 dev new
acquainted client lan fw2 new $LAN.30
check "a new device is blocked" blocked deliver client fw2 $LAN.30 udp:9
ip -n fw2 link set new name renamed
check "a renamed device is blocked" blocked deliver client fw2 $LAN.30 udp:9
ip -n switches link delete lan.new
check "a device may go" deliver fw2 fw2 127.0.0.1 udp:9

ip -n fw2 link add name bridge0 type bridge
ip -n fw2 link set port master bridge0
ip -n fw2 link set bridge0 up
ip -n fw2 address add $LAN.31/24 dev bridge0
acquainted client lan fw2 bridge0 $LAN.31
check "a bridge and its port are blocked" blocked deliver client fw2 $LAN.31 udp:9
ip -n fw2 link delete bridge0

for node in fw2 client; do
	ip -n $node link add link lan name lan.5 type vlan id 5
	ip -n $node link set lan.5 up
done
ip -n fw2 address add 10.5.0.3/24 dev lan.5
ip -n client address add 10.5.0.10/24 dev lan.5
acquainted client lan.5 fw2 lan.5 10.5.0.3
check "a VLAN is blocked" blocked deliver client fw2 10.5.0.3 udp:9

note "syncdev on another device"
# on_syncdev INTERFACE: whether both nodes replicate over this interface, though the backup is blocked.
on_syncdev() {
	local completed
	completed=$(value fw2 resyncs_completed)
	knob fw1 syncdev "$1" && knob fw2 syncdev "$1" && wait_until at_least fw2 resyncs_completed $((completed + 1)) &&
		wait_until is fw2 synced 1
}
for node in fw1 fw2; do
	ip -n $node link add link sync name sync.7 type vlan id 7
	ip -n $node link set sync.7 up
done
check "a VLAN as syncdev works" on_syncdev sync.7
for node in fw1 fw2; do ip -n $node link delete sync.7; done
check "what was below it is blocked" blocked on fw2 ping -c 1 -W 1 $SYNC.1
for node in fw1 fw2; do
	ip -n $node link add link sync name sync.7 type vlan id 7
	ip -n $node link set sync.7 up
done
check "a VLAN that appears later works" eval 'wait_until is fw2 running 1 && wait_until is fw2 synced 1'
for node in fw1 fw2; do
	ip -n $node link delete sync.7
	ip -n $node link add brsync type bridge forward_delay 0 mcast_snooping 0
	ip -n $node link set brsync up
	ip -n $node link set sync master brsync
done
check "a bridge as syncdev works" on_syncdev brsync
for node in fw1 fw2; do ip -n $node link delete brsync; done
ip -n fw2 link set sync down
ip -n fw2 link set sync name other
ip -n fw2 link set other up
check "the old syncdev is blocked under another name" blocked on fw2 ping -c 1 -W 1 $SYNC.1
knob fw2 syncdev sync
knob fw1 syncdev sync
ip -n fw2 link set other down
ip -n fw2 link set other name sync
ip -n fw2 link set sync up
check "it works under its own" wait_until is fw2 synced 1

check "lan is still blocked" blocked deliver client fw2 $LAN.3 udp:9
modprobe -r ct_sync
check "all passes when the module is gone" passes udp:9 $PASSED
eval "exec ${DELIVER[1]}>&-"
finish
