#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# ct_sync and ctnetlink share the one notifier of a namespace: whoever comes first, whatever is loaded, unloaded or reloaded
# meanwhile, both hear every event, and afterwards everything is as before.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh
. ./flows.bash
TEMPORARY=$(mktemp -d)

# record NAME PORT: keeps in a file what `conntrack -E` tells of a flow from its start to its end.
record() {
	local name=$1 port=$2
	on fw1 stdbuf -oL conntrack -E -p tcp --orig-port-dst 7 >"$TEMPORARY/$name" 2>/dev/null &
	local listener=$!
	# The listener is there when it hears of a flow.
	wait_until heard_probe "$name"
	flow open "$name" client tcp $SERVER 7 "$port" && flow echo "$name" && flow close "$name"
	wait_until grep -q "TIME_WAIT.*sport=$port" "$TEMPORARY/$name"
	on fw1 conntrack -D -p tcp --orig-port-src "$port" >/dev/null 2>&1
	wait_until grep -q "DESTROY.*sport=$port" "$TEMPORARY/$name"
	kill $listener
	wait $listener 2>/dev/null
	true
}

heard_probe() {
	flow open probe client tcp $SERVER 7 && flow close probe
	grep -q NEW "$TEMPORARY/$1"
}

# events NAME PORT: the events of a recorded flow, without its port and the program that ended it.
events() { grep "sport=$2 " "$TEMPORARY/$1" | sed -E "s/ (sport|dport)=$2//g; s/ [0-9]+ ([A-Z_]+) src/ \1 src/; s/ (portid|progname)=[^ ]+//g; s/ +/ /g"; }

same_events() { diff <(events "$1" "$2") <(events "$3" "$4") && [ -n "$(events "$1" "$2")" ]; }

# listed PORT: the entry of a flow as it is listed, without its timeout.
listed() { on fw1 conntrack -L -p tcp --orig-port-src "$1" 2>/dev/null | sed -E 's/^tcp +6 [0-9]+ //'; }

is_loaded() { [ -d "/sys/module/$1" ]; }

not_loaded() { ! is_loaded "$1"; }

# The program's socket may outlive it by a moment, and holds the module.
unload() { wait_until modprobe -r "$1"; }

events_setting() { on fw1 sysctl -n net.netfilter.nf_conntrack_events; }

opens_and_arrives() {
	flow open "$1" client tcp $SERVER 7 "$1" && flow echo "$1" && wait_until has fw2 "ESTABLISHED .*sport=$1 .*ASSURED"
}

# Opens and closes connections until the file is gone.
traffic() {
	local node=$1
	while [ -e "$TEMPORARY/traffic" ]; do
		on "$node" python3 - <<-EOF
			import socket
			for _ in range(50):
			    socket.create_connection(("$SERVER", 7), 5).close()
		EOF
	done
}

topology
start_flows
flow listen server 7
modprobe nf_conntrack_netlink
before=$(events_setting)
check "events of a flow without ct_sync" record without 1001
flow open 1002 client tcp $SERVER 7 1002
flow echo 1002
without=$(listed 1002)

check "ct_sync starts after ctnetlink" start_ct_sync
check "the listing of a flow is the same with it" [ "$(listed 1002)" = "$without" ]
check "a flow that was there before is replicated" wait_until has fw2 "sport=1002"
check "events of a flow with ct_sync" record with 1003
check "they are the same" same_events without 1001 with 1003
check "entries get the event extension" [ "$(events_setting)" = 1 ]
check "ct_sync unloads" unload ct_sync
check "nf_conntrack_events is as before" [ "$(events_setting)" = "$before" ]
check "events of a flow after it" record after 1004
check "they are the same as before" same_events without 1001 after 1004

check "ctnetlink unloads" unload nf_conntrack_netlink
check "ct_sync loads it itself" modprobe ct_sync
check "it is there" is_loaded nf_conntrack_netlink
check "ctnetlink unloads under ct_sync" unload nf_conntrack_netlink
check "ct_sync starts without ctnetlink" start_ct_sync
flow open 1005 client tcp $SERVER 7 1005
check "a flow is sent without ctnetlink" wait_until at_least fw2 entries_inserted 1
check "ctnetlink was not needed for that" not_loaded nf_conntrack_netlink
check "ctnetlink loads after ct_sync" modprobe nf_conntrack_netlink
check "a flow arrives" opens_and_arrives 1006
check "events of a flow" record late 1007
check "they are the same as at first" same_events without 1001 late 1007

: >"$TEMPORARY/traffic"
traffic client &
for round in 1 2 3; do
	check "ctnetlink unloads under traffic, $round" unload nf_conntrack_netlink
	check "and comes back, $round" modprobe nf_conntrack_netlink
done
rm "$TEMPORARY/traffic"
wait $!
check "it was noticed" at_least fw1 events_missed 6
check "a flow arrives after that" opens_and_arrives 1008
on fw1 conntrack -D -p tcp --orig-port-src 1008 >/dev/null 2>&1
check "an end arrives after that" wait_until hasnt fw2 "sport=1008"
check "the tables are equal" wait_until same_tables
check "events of a flow after that" record reloaded 1009
check "they are the same as at first" same_events without 1001 reloaded 1009

check "ctnetlink unloads before ct_sync" unload nf_conntrack_netlink
check "ct_sync unloads when the other is gone" unload ct_sync
check "ctnetlink loads again" modprobe nf_conntrack_netlink
check "and hears events" record last 1010
finish
