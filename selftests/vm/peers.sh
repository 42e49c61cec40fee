#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The transports: multicast over IPv6, unicast to a list of peers over IPv4 and IPv6. What a listed node sends is taken, what
# others send is refused; what is lost is repaired; nothing of it is tracked, and it leaves through syncdev only.
#
#   client ── fw1 (primary), fw2, fw3 (backups) ── server
#                  └── sync ──┴── stranger .99
#
# time: 240

. ./lib.sh
. ./flows.bash

ALL4="$SYNC.1 $SYNC.2 $SYNC.3" ALL6="$SYNC6:1 $SYNC6:2 $SYNC6:3"
PORT=3781

# set_all KNOB VALUE: sets a knob on every firewall.
set_all() {
	local node
	for node in $FIREWALLS; do knob "$node" "$1" "$2" || return; done
}

all_synced() { is fw2 synced 1 && is fw3 synced 1; }
all_same() { same_tables fw1 fw2 && same_tables fw1 fw3; }

# restart KNOB VALUE: the same, with a transport; then what was counted and tracked before is forgotten.
restart() {
	local node
	set_all "$@" || return
	for node in $FIREWALLS; do
		on "$node" sh -c "nft reset counters; conntrack -D -p udp --dport $PORT" >/dev/null 2>&1
	done
}

# packets NODE COUNTER: what nft has counted there.
packets() { on "$1" nft list counter inet count "$2" | sed -nE 's/.*packets ([0-9]+) .*/\1/p'; }

# counts NODE COUNTER TEST NUMBER: compares what nft has counted.
counts() {
	local have
	have=$(packets "$1" "$2")
	echo "$1: $2 is $have, expected $3 $4"
	test "$have" "$3" "$4"
}

# tracked NODE: whether the node tracks traffic of its own port, in either family.
tracked() { { on "$1" conntrack -L -p udp; on "$1" conntrack -L -f ipv6 -p udp; } 2>/dev/null | grep "port=$PORT"; }
nothing_tracked() { ! tracked fw1 && ! tracked fw2; }

# works NAME PORT: whether a new flow is replicated by all means: live, and by a resync.
works() {
	flow open "$1" client tcp $SERVER 7 "$2"
	wait_until all_synced && wait_until has fw2 "sport=$2 .*ASSURED" && wait_until has fw3 "sport=$2 .*ASSURED" &&
		wait_until all_same
}

# heals FIRST: whether flows that open while one of five frames is lost are on both backups in the end.
heals() {
	on fw1 tc qdisc replace dev sync root netem loss 20%
	on client python3 flood.py $SERVER 800 "$1"
	on fw1 tc qdisc delete dev sync root
	wait_until all_synced && wait_until all_same
}

topology 3
modprobe sch_netem || skip "no netem"
ip netns add stranger
link stranger sync sync $SYNC.99/24 $SYNC6:99/64
# As frames have it.
on stranger sysctl -qw net.ipv4.ip_default_ttl=255 net.ipv6.conf.sync.hop_limit=255
on server nft -f - <<<'table ip quiet { chain input { type filter hook input priority 0; udp dport >= 20000 drop; }; }'
start_flows
flow listen server 7
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
	on "$node" nft -f - <<-EOF2
		table inet count {
			counter multicast { }
			counter elsewhere { }
			counter unicast { }
			chain output {
				type filter hook output priority 0;
				oifname sync ip daddr 224.0.0.0/4 udp dport $PORT counter name multicast
				oifname sync ip6 daddr ff00::/8 udp dport $PORT counter name multicast
				oifname sync ip daddr $SYNC.0/24 udp dport $PORT counter name unicast
				oifname sync ip6 daddr $SYNC6:/64 udp dport $PORT counter name unicast
				oifname != sync udp dport $PORT counter name elsewhere
			}
		}
	EOF2
done
modprobe ct_sync
# Many frames, and three missing heartbeats are soon over.
set_all flush_us 0
set_all heartbeat_ms 300

note "multicast over IPv6"
set_all group ff02::114
check "ct_sync starts" start_ct_sync
check "it works over IPv6" works first 2001
check "frames leave by multicast" counts fw1 multicast -gt 0
check "none by unicast" counts fw1 unicast -eq 0

note "unicast over IPv4; a route elsewhere, and a peer that is not there, change nothing"
ip -n fw1 route add $SYNC.2/32 dev lan
restart peers "$ALL4 $SYNC.77"
check "it works with IPv4 peers" works second 2002
check "frames leave by unicast" counts fw1 unicast -gt 0
for node in $FIREWALLS; do
	check "none of $node by multicast" counts "$node" multicast -eq 0
	check "none of $node elsewhere, to itself neither" counts "$node" elsewhere -eq 0
done
check "peers are shown by their addresses" eval 'on fw2 grep "^peer .*address=$SYNC.1 " /proc/net/ct_sync'
nacks=$(value fw1 nacks_received)
check "what is lost is repaired" heals 20000
check "by NACKs" at_least fw1 nacks_received $((nacks + 1))
check "frames were sent" is fw1 send_failed 0
check "nothing of it is tracked" nothing_tracked

note "a node that is not on the list"
unknown=$(value fw1 frames_unknown_peer)
on stranger bash -c "echo x >/dev/udp/$SYNC.1/$PORT"
check "its datagrams are refused" wait_until is fw1 frames_unknown_peer $((unknown + 1))
knob fw1 peers $SYNC.2
knob fw2 peers $SYNC.1
flow open third client tcp $SERVER 7 2003
check "the others go on" wait_until has fw2 "sport=2003 .*ASSURED"
check "a node that is left out is not sent anything" wait_until is fw3 synced 0
check "it has not what is new" hasnt fw3 "sport=2003 "
check "it is not heard" wait_until at_least fw1 frames_unknown_peer $((unknown + 2))
knob fw1 peers "$SYNC.2,$SYNC.3"
knob fw2 peers "$SYNC.1,$SYNC.3"
check "it is heard again when it is listed" works fourth 2004

note "unicast over IPv6"
restart peers "$ALL6"
check "it works with IPv6 peers" works fifth 2005
check "frames leave by unicast over IPv6" counts fw1 unicast -gt 0
check "none by multicast over IPv6" counts fw1 multicast -eq 0
check "what is lost is repaired over IPv6" heals 21000
check "nothing of it is tracked over IPv6" nothing_tracked
unknown=$(value fw1 frames_unknown_peer)
on stranger bash -c "echo x >/dev/udp/$SYNC6:1/$PORT"
check "a stranger is refused over IPv6" wait_until is fw1 frames_unknown_peer $((unknown + 1))

note "a takeover"
takeover fw3
knob fw1 state 0
knob fw3 state 1
check "flows go on" flow echo fifth
check "the others follow" wait_until eval 'is fw1 synced 1 && is fw2 synced 1'
check "the tables are equal" wait_until all_same

note "back to multicast"
set_all peers ''
set_all group 224.0.0.254
check "it works by multicast again" wait_until eval 'is fw1 synced 1 && is fw2 synced 1 && all_same'
finish
