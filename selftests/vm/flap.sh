#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Three nodes, of which one or all are in trouble while connections open and close at full speed: a link that flaps, a backup
# that hears nothing for longer than the primary remembers, a backup that boots with nothing, a primary that restarts, or boots.
# Each time all tables are equal afterwards, without anybody doing anything.
#
#   client ── fw1 (primary), fw2, fw3 (backups) ── a sink in wan that nobody is
#
# time: 180

. ./lib.sh
. ./churn.bash

LOAD_SECONDS=3 DEAF_SECONDS=2
# Frames that the primary can repair.
BACKLOG=64

# under_load PORT COMMAND...: runs COMMAND while the load is on, and waits until all backups have everything.
under_load() {
	local port=$1 load
	shift
	churn load "$SINK" $LOAD_SECONDS "$port" fw1 fw2 fw3 >"$TEMPORARY/load" &
	load=$!
	sleep 0.5
	"$@"
	wait $load
	measure cat "$TEMPORARY/load"
}

# healed WHAT: the points that follow each trouble.
healed() {
	check "$1: everybody has everything ${measured[settled_ms]} ms after the load" within "${measured[settled_ms]}" 10000
	check "$1: the tables are equal, and were when it was said" equal_since_measured fw1 fw2 fw3
}

# The cable of fw2 is pulled and plugged, at either end.
flaps() {
	for _ in 1 2 3; do
		ip -n switches link set sync.fw2 down
		sleep 0.2
		ip -n switches link set sync.fw2 up
		sleep 0.1
	done
	ip -n fw2 link set sync down
	sleep 0.2
	ip -n fw2 link set sync up
}

# Nothing reaches fw2 any more, for some time, and for more frames than the primary can repair.
goes_deaf() {
	local seq
	seq=$(value fw1 seq)
	on switches tc qdisc replace dev sync.fw2 root netem loss 100%
	sleep $DEAF_SECONDS
	wait_until at_least fw1 seq $((seq + BACKLOG + 20))
	on switches tc qdisc delete dev sync.fw2 root
}

# boot NODE SWITCH...: NODE boots: another namespace with an empty table, plugged into these.
boot() {
	local node=$1 switch
	ip netns delete "$node"
	ip netns add "$node"
	on "$node" sh -c "$(settings ipv6/conf/all/accept_dad=0 ipv6/conf/default/accept_dad=0 ipv4/ip_forward=1)"
	later "$node" link set lo up
	for switch in "${@:2}"; do
		# The old cable goes with the namespace, but not at once.
		wait_until eval "! ip -n switches link show $switch.$node 2>/dev/null"
		case $switch in
		lan) plug "$node" lan lan $LAN.$((${node#fw} + 1))/24 ;;
		wan) plug "$node" wan wan $WAN.$((${node#fw} + 1))/24 ;;
		sync) plug "$node" sync sync "$SYNC.${node#fw}/24" ;;
		esac
	done
	flush switches "$node"
	ruleset "$node"
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
	knob "$node" syncdev sync
}

# fw1 boots and is the primary at once: it knows nothing of the epochs before, and the others nothing of that.
primary_boots() {
	boot fw1 lan wan sync
	knob fw1 state 1
	takeover fw1
	ip -n fw1 neighbour replace "$SINK" lladdr 02:00:00:00:00:77 dev wan nud permanent
}

# What begins while no module is there reports its end only with this; by default only a scrub would find out.
report_always() {
	local node
	for node in $FIREWALLS; do on "$node" sysctl -qw net.netfilter.nf_conntrack_events=1; done
}

# fw1 is another primary, which knows nothing of what was before but its table; the others lose their memory too.
all_restart() {
	modprobe -r ct_sync
	modprobe ct_sync
	knob fw1 syncdev sync
	knob fw1 state 1
	knob fw2 syncdev sync
	knob fw3 syncdev sync
}

# The primary alone loses its memory, as its syncdev goes and comes.
primary_restarts() {
	knob fw1 syncdev ''
	sleep 0.3
	knob fw1 syncdev sync
}

topology 3
TEMPORARY=$(mktemp -d)
start_churn
modprobe sch_netem || skip "no netem"
report_always
check "ct_sync starts" start_ct_sync
for node in $FIREWALLS; do knob "$node" backlog $BACKLOG; done
check "all are synced" wait_until eval 'is fw2 synced 1 && is fw3 synced 1'

under_load 1001 flaps
healed "a link that flaps"
under_load 1002 goes_deaf
healed "a backup that hears nothing"
check "the gap was beyond the backlog" at_least fw2 gaps_gone 1
under_load 1003 boot fw3 sync
healed "a backup that boots"
under_load 1004 primary_restarts
healed "a primary that restarts"
under_load 1005 all_restart
healed "nodes that all restart"

# Without load, whose open files would keep the old fw1 alive.
primary_boots
on client python3 flood.py "$SINK" 100 1
measure churn settled 30 fw1 fw2 fw3
healed "a primary that boots"
check "it has flows to tell of" at_least fw1 table_count 100
finish
