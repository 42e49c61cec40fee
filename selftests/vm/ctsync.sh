#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 150
#
# The program that shows and steers the module, run against the module: what it says of a pair that is well, of one whose cable was
# cut, and where nothing is loaded; what it sets and refuses to set; and what it does with the lines of keepalived.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

CTSYNC=$PWD/../ctsync
TEMPORARY=$(mktemp -d)

# ctsync NODE ARGUMENT...: runs the program for the namespace NODE.
ctsync() { "$CTSYNC" -n "$@"; }

# status STATUS COMMAND...: whether COMMAND ends with STATUS.
status() {
	local expected=$1 status=0
	shift
	"$@" || status=$?
	echo "ended with $status, expected $expected"
	[ $status = "$expected" ]
}

# says TEXT COMMAND...: whether COMMAND's output has a line that matches the extended regular expression.
says() {
	local text=$1
	shift
	"$@" 2>&1 | tee "$TEMPORARY/said" | grep -qE -- "$text" || { cat "$TEMPORARY/said"; return 1; }
}

topology

check "without the module the status is 2" status 2 ctsync fw1
check "... and one sentence says what to do" says 'not loaded: modprobe ct_sync' ctsync fw1
check "... in JSON too" says '"health": "down"' ctsync fw1 --json
check "... metrics say that it is not there" says '^ct_sync_up 0$' ctsync fw1 metrics
check "a namespace that is not there is an error" status 3 ctsync nowhere
check "so is a command that is not there" status 3 ctsync fw1 explode

modprobe ct_sync
check "without syncdev the status is 2" status 2 ctsync fw1
check "... and resync is refused" status 2 ctsync fw1 resync

for node in $FIREWALLS; do
	check "set takes syncdev and others in $node" ctsync "$node" set syncdev=sync heartbeat_ms=200 group=224.0.0.254
done
check "role makes a primary" ctsync fw1 role primary
check "... as the module says" is fw1 role primary
check "wait ends when the backup is in sync" ctsync fw2 wait synced --timeout 20
check "wait ends when the primary knows" ctsync fw1 wait healthy --timeout 20
check "the primary is healthy" says '^primary, in sync with 10.9.0.2' status 0 ctsync fw1
check "the backup is healthy" says '^backup, in sync with 10.9.0.1' status 0 ctsync fw2
check "one line is enough" says '^backup, in sync' ctsync fw2 status --brief
check "JSON has every counter" says '"frames_bad_ttl": 0' ctsync fw2 --json
check "both may be rebooted" status 0 ctsync fw1 upgrade-ready
check "wait gives up" status 1 ctsync fw2 wait primary --timeout 0.3
check "events tell the present state" says 'peer=10.9.0.2 synced=1' ctsync fw1 events --once
check "watch has rates" says '/s  heartbeats_sent' ctsync fw1 watch 0.5 --count 2

# refused ARGUMENT...: whether set refuses something and port stays what it was.
refused() { ! ctsync fw1 set port=4000 "$@" && [ "$(knob fw1 port)" = 3781 ]; }
check "set refuses a value out of range, all or nothing" refused backlog=99999
check "set refuses a knob that is not there" refused shoe_size=43
check "set says what a value must be" says 'from 1 to 65535' ctsync fw1 set port=0

check "metrics have the role" says '^ct_sync_role\{role="primary"\} 1$' ctsync fw1 metrics
check "metrics are written into a file" ctsync fw1 metrics -o "$TEMPORARY/ct_sync.prom"
check "... with all counters" says '^ct_sync_records_sent_total [0-9]+$' cat "$TEMPORARY/ct_sync.prom"
request() { printf 'GET /metrics HTTP/1.1\r\n\r\n' | ctsync "$1" metrics --http; }
check "metrics are answers to HTTP" says '^HTTP/1.1 200 OK' request fw1

# What keepalived writes moves the state.
mkfifo "$TEMPORARY/fifo"
ctsync fw1 fifo --group firewall "$TEMPORARY/fifo" 2>/dev/null &
follower=$!
exec {fifo}<>"$TEMPORARY/fifo"
echo 'GROUP "other" BACKUP 100' >&"$fifo"
echo 'GROUP "firewall" BACKUP 100' >&"$fifo"
check "keepalived's BACKUP makes a backup" wait_until is fw1 role backup
echo 'INSTANCE "firewall" BACKUP 100' >&"$fifo"
echo 'GROUP "firewall" MASTER 100' >&"$fifo"
check "keepalived's MASTER makes a primary" wait_until is fw1 role primary
echo 'GROUP "firewall" STOP 100' >&"$fifo"
kill "$follower"
check "... and it ends well" wait "$follower"
check "what was written before SIGTERM is obeyed" is fw1 role backup
exec {fifo}>&-
ctsync fw1 role primary
check "the pair is in sync again" ctsync fw2 wait synced --timeout 20

# The cable.
ip -n fw2 link set sync down
check "the primary is degraded when the cable is cut" wait_until status 1 ctsync fw1
check "... and says why" says 'DEGRADED: no backup is in sync' ctsync fw1
check "... it is not to be rebooted" status 1 ctsync fw1 upgrade-ready
check "the backup is not healthy" wait_until says 'DEGRADED|DOWN' ctsync fw2

finish
