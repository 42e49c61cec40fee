#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Frames that nobody ought to send are refused, each under a name of its own, and replication goes on.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#                  └── sync ──┴── intruder .99
#
# time: 150

. ./lib.sh
topology
SEED=$RANDOM
PORT=3781

# A node that is no firewall and has a leg in each network.
ip netns add intruder
link intruder sync sync $SYNC.99/24
link intruder lan lan $LAN.99/24
coproc PYTHON { on intruder python3 frames.py sync 224.0.0.254 $PORT "$SEED"; }

# send CASE [ARGUMENT]: has the intruder send something, and waits until it is sent.
send() {
	local answer
	echo "$*" >&"${PYTHON[1]}"
	read -r -t $((WAIT_SECONDS * SLOWNESS)) answer <&"${PYTHON[0]}" && [ "$answer" = "sent $1" ]
}

# counted COUNTER CASE [ARGUMENT]: whether the backup counts what the intruder sends under that name, once.
counted() {
	local counter=$1 before
	shift
	before=$(value fw2 "$counter")
	send "$@" && wait_until is fw2 "$counter" $((before + 1))
}

# Whether a connection of the intruder's is on the backup, by its source port.
knows() { on fw2 conntrack -L -p udp --sport "$1" 2>/dev/null | grep "src=$LAN.200 dst=$WAN.200 "; }
knows_not() { ! knows "$1"; }

# Whether a new flow through the primary shows up on the backup.
replicates() {
	on client bash -c "echo x >/dev/udp/$SERVER/$1"
	wait_until has fw2 "udp.*src=$CLIENT .*dport=$1 "
}

note "seed $SEED"
check "ct_sync starts" start_ct_sync
note "of no node of ours"
check "a frame of another cluster" counted frames_other_cluster other-cluster
check "a frame of another version" counted frames_bad_version other-version
check "a frame with another magic" counted frames_bad_magic bad-magic
check "an empty datagram" counted frames_short empty
check "a frame cut short in its header" counted frames_short cut-header
check "a frame cut short in its payload" counted frames_short cut-payload
check "garbage after the frame" counted frames_trailing_garbage garbage-after-frame
check "garbage after the last record" counted frames_trailing_garbage garbage-after-records
check "a record that claims more than the frame holds" counted frames_record_overrun record-overrun
check "fewer records than the header says" counted frames_record_overrun record-missing
check "an unknown kind of frame" counted frames_unknown_kind unknown-kind
check "a heartbeat that is too short" counted frames_short short-heartbeat
check "a frame of a stale epoch" counted frames_stale_epoch stale-epoch
check "a frame under our own node id" counted frames_own_node_id own-id "$(value fw2 node_id)"
check "a frame that has passed a router" counted frames_bad_ttl low-ttl
check "a datagram longer than any frame" counted frames_too_long too-long
check "a request that is not for a backup" counted frames_unwanted request
check "nothing of it was applied" knows_not 1
check "random bytes" send random 500
check "replication goes on" replicates 1001

note "of another interface"
foreign() { on client bash -c "echo x >/dev/udp/$LAN.3/$PORT"; }
foreign_counted() {
	local before
	before=$(value fw2 frames_wrong_device)
	foreign && wait_until is fw2 frames_wrong_device $((before + 1))
}
check "a datagram from another interface" foreign_counted

note "of the primary that is followed"
knob fw1 state 0
send lead 1000
check "a sound frame is applied" eval 'send sound 1 && wait_until knows 1'
# Both nodes are backups now.
warned_once() { [ "$(dmesg | grep -c 'nf_conntrack_max is smaller')" = 2 ]; }
check "a primary with a larger table is warned of" eval 'send large-table && wait_until warned_once'
check "once" eval 'send large-table && send sound 1 && wait_until at_least fw2 entries_unchanged 1 && warned_once'
check "a late frame" counted frames_late late
check "it was not applied" knows_not 2
check "a record of an unknown type" counted records_unknown_type unknown-type
check "what is behind it is applied" wait_until knows 3
check "an unknown attribute" counted records_unknown_attribute unknown-attribute
check "its record is applied" wait_until knows 4
check "malformed records" eval 'counted records_malformed empty-record; send malformed; wait_until at_least fw2 records_malformed 3'
check "what is behind them is applied" eval 'wait_until knows 6 && knows 7'
check "a record of a protocol that the kernel does not know" \
	eval 'send unknown-protocol && wait_until has fw2 "unknown +253 .*src=$LAN.200"'
check "a TCP state that does not exist" counted records_malformed tcp-state
check "what is behind it is applied" wait_until knows 9
check "a window scale that does not exist" counted records_malformed tcp-scale
check "what is behind it is applied" wait_until knows 10
check "a TCP connection without its state" counted entries_unsupported_protocol tcp-stateless
check "what is behind it is applied" wait_until knows 11
check "a helper that does not exist" counted helpers_not_loaded no-helper
check "its record is applied" wait_until knows 14
check "a master that does not exist" counted masters_missing child
announced() { on fw2 conntrack -L -u EXPECTED 2>/dev/null | grep "src=$LAN.200 dst=$WAN.200 sport=15 "; }
check "its record is applied" wait_until announced
# A child has a reference to its master.
references() { on fw2 conntrack -L -p tcp 2>/dev/null | grep -q "src=$LAN.200 dst=$WAN.200 sport=16 .*use=$1"; }
check "the master comes" eval 'send master && wait_until references 1'
check "the connection is tied to it when it is told of again" eval 'send child && wait_until references 2'
check "that is no missing master" is fw2 masters_missing 1
check "an expectation of a connection without a helper" counted expectations_refused not-expecting
check "what is behind it is applied" wait_until knows 17
check "a security context that does not exist" counted secmarks_lost no-context
check "its record is applied" wait_until knows 18
check "a timeout policy of another kernel" counted timeout_policies_lost no-policy
check "its record is applied" wait_until knows 19
check "labels that this version has not" counted records_unknown_attribute long-labels
check "its record is applied" wait_until knows 24
check "a record of more than 255 bytes" counted records_unknown_attribute long-record
check "it is applied" wait_until knows 25
check "the end of an unknown connection" counted entries_delete_absent unknown-delete
check "what is behind it is applied" wait_until knows 13
check "frames with random errors" send mutilated 200

note "afterwards"
knob fw1 state 1
check "the true primary is followed again" wait_until is fw2 synced 1
check "replication goes on" replicates 1002
# What the errors made may be of addresses that are never replicated: both nodes learnt it from the intruder.
on fw1 conntrack -F 2>/dev/null
on fw2 conntrack -D -p udp --dport $PORT >/dev/null 2>&1
check "what was forged goes with the primary's entries" wait_until hasnt fw2 .
check "replication goes on" replicates 1003
check "the tables are equal" wait_until same_tables
eval "exec ${PYTHON[1]}>&-"
wait "$PYTHON_PID" 2>/dev/null
finish
