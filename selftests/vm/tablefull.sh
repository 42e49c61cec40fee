#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A backup whose table is full: what it cannot hold is counted, the rest goes on, and it catches up when there is room.
# nf_conntrack_max is one for all namespaces, so the backup's is filled with connections of its own.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 120
# allow: nf_conntrack: table full

. ./lib.sh
topology
TEMPORARY=$(mktemp -d)
MAX=200
PORT_OF_FILL=7777
# No flow ends by itself.
on fw1 sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
before=$(sysctl -n net.netfilter.nf_conntrack_max)

flow() { on client bash -c "echo x >/dev/udp/$SERVER/$1"; }
on_backup() { on fw2 conntrack -L -p udp --dport "$1" 2>/dev/null | grep "src=$CLIENT "; }
not_on_backup() { ! on_backup "$1"; }
fill() {
	local entries=$((MAX - $(value fw2 table_count))) number
	for number in $(seq "$entries"); do
		echo "-I -p udp -s 10.66.0.$number -d 10.67.0.1 --sport 1 --dport $PORT_OF_FILL -t 600 -u ASSURED,SEEN_REPLY"
	done >"$TEMPORARY/fill"
	on fw2 conntrack -R "$TEMPORARY/fill" && wait_until is fw2 table_count $MAX
}
without_fill() { diff <(table fw1) <(table fw2 | grep -v "dport=$PORT_OF_FILL "); }

check "ct_sync starts" start_ct_sync
flow 1001
check "a flow is on the backup" wait_until on_backup 1001
sysctl -qw net.netfilter.nf_conntrack_max=$MAX
check "its table is filled" fill
check "so far it has everything" is fw2 entries_table_full 0

flow 1002
check "what finds no room is counted" wait_until at_least fw2 entries_table_full 1
check "it is not there" not_on_backup 1002
check "the backup does not say that it is synced" wait_until is fw2 synced 0
heard=$(value fw2 heartbeats_received)
check "it still hears the primary" wait_until at_least fw2 heartbeats_received $((heard + 2))
on fw1 conntrack -D -p udp --dport 1001 >/dev/null 2>&1
check "ends are still applied" wait_until not_on_backup 1001

on fw2 conntrack -D -p udp --dport $PORT_OF_FILL >/dev/null 2>&1
# It would by itself, after half a minute.
knob fw2 resync 1
check "it catches up when there is room" wait_until on_backup 1002
check "it is synced again" wait_until is fw2 synced 1
flow 1003
check "replication goes on" wait_until on_backup 1003
check "the tables are equal" wait_until without_fill
sysctl -qw net.netfilter.nf_conntrack_max="$before"
finish
