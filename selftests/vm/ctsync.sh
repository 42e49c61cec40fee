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
check "check says that no interface is set" says '^fault: syncdev: no interface is set' status 2 ctsync fw1 check
check "without syncdev the status is 2" status 2 ctsync fw1
check "... and resync is refused" status 2 ctsync fw1 resync

for node in $FIREWALLS; do
	check "set takes syncdev and others in $node" ctsync "$node" set syncdev=sync heartbeat_ms=200 group=224.0.0.254
done
check "role makes a primary" ctsync fw1 role primary
check "... as the module says" is fw1 role primary
check "wait ends when the backup is in sync" ctsync fw2 wait synced --timeout 20
check "wait ends when the primary knows" ctsync fw1 wait healthy --timeout 20
check "check finds nothing" status 0 ctsync fw1 check
on fw2 sh -c "$(settings netfilter/nf_conntrack_events=0)"
check "check finds that events are off" says '^fault: conntrack: nf_conntrack_events is 0' status 2 ctsync fw2 check
on fw2 sh -c "$(settings netfilter/nf_conntrack_events=1)"
on fw2 nft add table inet closed
on fw2 nft add chain inet closed input '{ type filter hook input priority 5; policy drop; }'
check "check names a chain that drops" says '^warning: ruleset: inet closed input drops' ctsync fw2 check
on fw2 nft delete table inet closed
ctsync fw2 set cluster_id=5
check "check knows of another cluster" wait_until says '^warning: counters: frames_other_cluster [0-9]+: ' ctsync fw1 check
ctsync fw2 set cluster_id=0
cp "$(type -P sleep)" "$TEMPORARY/conntrackd"
"$TEMPORARY/conntrackd" 100 &
check "check sees conntrackd" says '^warning: conntrackd: ' ctsync fw1 check
kill $!
wait $! 2>/dev/null
mkdir -p /etc/keepalived
echo 'notify_master "/bin/sh -c true"' >/etc/keepalived/keepalived.conf
check "check knows what keepalived does not run" says '^fault: keepalived: /bin/sh is behind the symlink /bin' ctsync fw1 check
check "... and what it does not do" says '^fault: keepalived: there is no notify_stop' ctsync fw1 check
rm -r /etc/keepalived
# Frames were lost meanwhile.
check "the pair is in sync again after that" ctsync fw1 wait healthy --timeout 20
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
"$CTSYNC" -n fw1 fifo --group firewall "$TEMPORARY/fifo" 2>/dev/null &
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
wait "$follower"
ended=$?
check "SIGTERM ends it well" [ $ended = 0 ]
check "what was written before SIGTERM is obeyed" is fw1 role backup
exec {fifo}>&-
ctsync fw1 role primary
check "the pair is in sync again with keepalived's last word" ctsync fw2 wait synced --timeout 20

# The tables.
for port in $(seq 20); do
	on fw1 conntrack -I -p udp -s $CLIENT -d $SERVER --sport "$((2000 + port))" --dport 53 -t 100 -m 5 >/dev/null 2>&1
done
check "the backup has the flows" wait_until has fw2 'sport=2020 .*mark=5'
dumps() { ctsync fw1 dump >"$TEMPORARY/fw1" && ctsync fw2 dump >"$TEMPORARY/fw2"; }
compared() { dumps && ctsync fw1 diff "$TEMPORARY/fw1" "$TEMPORARY/fw2"; }
check "dump writes a line for each" says '^20$' sh -c "$CTSYNC -n fw1 dump | grep -c '\"sport\":20'"
check "diff says that the tables are equal" says '^equal: ' compared
# Stands in for ssh.
printf '%s\n' '#!/bin/sh' 'node=$1; shift 2' "exec $CTSYNC -n \"\$node\" \"\$@\"" >"$TEMPORARY/rsh"
chmod +x "$TEMPORARY/rsh"
check "... also when it asks the other node" says '^equal: ' ctsync fw1 diff fw2 --rsh "$TEMPORARY/rsh"
on fw2 conntrack -U -p udp -s $CLIENT -d $SERVER --sport 2007 --dport 53 -m 6 >/dev/null 2>&1
check "diff finds one changed mark" says '2007.*: mark: 5 / 6$' status 1 compared
check "diff needs dumps" status 3 ctsync fw1 diff /proc/net/ct_sync /proc/net/ct_sync

check "sniff shows heartbeats" says 'kind=heartbeat .*role=backup' ctsync fw1 sniff --count 8

check "report has the knobs and no addresses" says '^heartbeat_ms = 200' ctsync fw1 report --redact
check "... really none" sh -c "! grep -q 10.9.0.2 $TEMPORARY/said"

# The cable.
ip -n fw2 link set sync down
check "the primary is degraded when the cable is cut" wait_until status 1 ctsync fw1
check "... and says why" says 'DEGRADED: no backup is in sync' ctsync fw1
check "... check says it too" says '^fault: replication: 10.9.0.2 was last heard' status 2 ctsync fw1 check
check "check sees that the link is down" says '^fault: syncdev: sync is down' ctsync fw2 check
check "... it is not to be rebooted" status 1 ctsync fw1 upgrade-ready
check "the backup is not healthy" wait_until says 'DEGRADED|DOWN' ctsync fw2

finish
