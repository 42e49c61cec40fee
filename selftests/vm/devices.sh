#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# syncdev that is not there, comes, goes, is renamed, is moved away, loses its carrier, changes its MTU, has no addresses.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 150

. ./lib.sh
topology

# said TEXT [TIMES]: whether the module has said so (so often; default once) since the last call of `listen`.
listen() { echo "MARK$((++mark))." >/dev/kmsg; }
said() {
	local times
	times=$(dmesg | sed "1,/MARK$mark\./d" | grep -cF "$1")
	echo "said $times times: $1"
	[ "$times" = "${2-1}" ]
}

# Whether a new flow through the primary, to this port of the server, shows up on the backup.
replicates() {
	on client bash -c "echo x >/dev/udp/$SERVER/$1"
	wait_until has fw2 "udp.*src=$CLIENT .*dport=$1 "
}

# in_step PORT: whether the backup is synced and replication goes on.
in_step() { wait_until is fw2 synced 1 && replicates "$1" && wait_until same_tables; }

modprobe ct_sync
# No flow is to end by itself before a slow machine has come to look at it.
on fw1 sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
knob fw1 syncdev sync
knob fw1 state 1
mark=0
listen
check "an unknown interface is taken" knob fw2 syncdev late
check "the module says that it waits" said "late: no such interface"
check "nothing runs" is fw2 running 0
for number in 1 2 3; do
	ip -n fw2 link add name other$number type veth peer name peer$number
	ip -n fw2 link delete other$number
done
check "it says so once" said "late: no such interface"
ip -n fw2 link set sync down
ip -n fw2 link set sync name late
ip -n fw2 link set late up
check "it starts when the interface appears" wait_until is fw2 running 1
check "replication works" in_step 1001

listen
ip -n fw2 link set late down
ip -n fw2 link set late name sync
check "it stops when the interface is renamed" wait_until is fw2 running 0
check "it says that it waits" wait_until said "late: no such interface"
ip -n fw2 link set sync up
knob fw2 syncdev sync
check "it starts under the new name" in_step 1002

listen
ip -n switches link delete sync.fw2
check "it stops when the interface vanishes" wait_until is fw2 running 0
check "it says that it waits" wait_until said "sync: no such interface"
on client bash -c "echo x >/dev/udp/$SERVER/1003"
link fw2 sync sync $SYNC.2/24
check "it starts when it returns" in_step 1004
check "what it missed is there" has fw2 "udp.*src=$CLIENT .*dport=1003 "

ip -n switches link set sync.fw2 down
check "the loss of the carrier is noticed" wait_until is fw2 synced 0
on client bash -c "echo x >/dev/udp/$SERVER/1005"
check "the primary goes on" wait_until has fw1 "udp.*dport=1005 "
ip -n switches link set sync.fw2 up
check "it catches up when the carrier is back" in_step 1006
check "what it missed is there" has fw2 "udp.*src=$CLIENT .*dport=1005 "

ip -n fw2 link set sync down
check "an interface that is down is noticed" wait_until is fw2 synced 0
on client bash -c "echo x >/dev/udp/$SERVER/1007"
ip -n fw2 link set sync up
check "it catches up when it is up" in_step 1008

for mtu in 576 1280 9000 1500; do
	for node in fw1 fw2; do
		ip -n switches link set sync.$node mtu $mtu
		ip -n $node link set sync mtu $mtu
	done
	check "it works with an MTU of $mtu" in_step $((2000 + mtu))
done
on fw1 conntrack -D -p udp --dport 1001 >/dev/null 2>&1
check "an end is replicated too" wait_until hasnt fw2 "dport=1001 "

note "moved to another namespace"
ip netns add fw3
ip -n fw3 link set lo up
modprobe ct_sync
knob fw3 syncdev sync
ip -n fw2 link set sync netns fw3
check "the first namespace stops" wait_until is fw2 running 0
ip -n fw3 address replace $SYNC.2/24 dev sync
ip -n fw3 link set sync up
check "the second one starts" wait_until is fw3 synced 1
check "it is a node of its own" has fw3 "udp.*src=$CLIENT .*dport=1004 "
ip -n fw3 link set sync netns fw2
check "it stops when the interface leaves" wait_until is fw3 running 0
ip -n fw2 address replace $SYNC.2/24 dev sync
ip -n fw2 link set sync up
check "the first one starts again" in_step 1009
ip netns delete fw3

note "without addresses"
for node in fw1 fw2; do ip -n $node address flush dev sync scope global; done
check "IPv4 works without an address" in_step 1010
check "the group may be one of IPv6" eval 'knob fw1 group ff02::114 && knob fw2 group ff02::114'
check "IPv6 works with link-local addresses" in_step 1011
check "peers have them" on fw2 grep -q '^peer .*address=fe80:.*role=primary' /proc/net/ct_sync
listen
ip -n fw2 link set sync down
ip -n fw2 link set sync up
check "IPv6 works when the interface was down" in_step 1012

ip -n switches link delete sync.fw1
check "the primary stops" wait_until is fw1 running 0
check "the role is kept" test "$(knob fw1 state)" = 1
link fw1 sync sync
check "it is primary again" in_step 1013
finish
