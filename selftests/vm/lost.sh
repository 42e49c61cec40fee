#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a backup loses by itself comes back: entries that are deleted there, all of them, again and again, and those that
# masquerading forgets. What ends by the primary's word, or by its time, is no loss.
#
#   client ── fw1 (primary), fw2 (backup) ── server
#
# time: 180

. ./lib.sh

SINK=$WAN.77
FLOWS=300

flood() { on client python3 flood.py $SINK "$1" "$2"; }
forget() { on "$1" conntrack -D -p udp "${@:2}" >/dev/null 2>&1; }
back_again() { is fw2 synced 1 && same_tables; }
# asked: requests for a resync that fw2 has sent so far.
asked() { value fw2 resyncs_requested; }
at_most() {
	echo "$1 is more than $2"
	[ "$1" -le "$2" ]
}

topology
modprobe sch_netem || skip "no netem"
ip -n fw1 neighbour replace $SINK lladdr 02:00:00:00:00:77 dev wan nud permanent
ip -n fw2 neighbour replace $SINK lladdr 02:00:00:00:00:77 dev wan nud permanent
for node in $FIREWALLS; do
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
	on "$node" nft insert rule ip nat postrouting oifname wan udp dport 1-50 masquerade
done
check "ct_sync starts" start_ct_sync
flood $FLOWS 1
check "flows are replicated" wait_until back_again

note "by the primary's word"
forget fw1 --orig-port-dst 300
check "an end is applied" wait_until hasnt fw2 "dport=300 "
knob fw1 resync 1
check "nothing of it is a loss" is fw2 entries_lost_locally 0

note "by itself"
before=$(asked)
forget fw2 --orig-port-dst 200
check "an entry that is deleted on the backup is counted" is fw2 entries_lost_locally 1
check "it comes back" wait_until has fw2 "dport=200 "
check "the backup is synced again" wait_until is fw2 synced 1
# Where a resync takes longer than a second it is asked for again.
check "it asked once" at_most $(($(asked) - before)) "$SLOWNESS"
check "no scrub had to correct that" is fw2 scrub_corrections 0

WAIT_SECONDS=30
before=$(asked)
on fw2 conntrack -F >/dev/null 2>&1
lost=$(value fw2 entries_lost_locally)
check "a table that is flushed is counted" at_least fw2 entries_lost_locally $FLOWS
check "the backup says so" is fw2 synced 0
check "all comes back" wait_until back_again
end=$((SECONDS + 4))
while [ $SECONDS -lt $end ]; do forget fw2 --orig-port-dst 100; done
check "losses that go on are counted" at_least fw2 entries_lost_locally $((lost + 1))
check "all comes back after them" wait_until back_again
check "there were few requests" at_most $(($(asked) - before)) 4

note "a takeover; what was masqueraded outlives the interface on both nodes: as a copy it is tied to none"
# It has the address, or it would end them after a while, and on no interface to which they could be tied.
ip -n fw2 address add $WAN.2/32 dev lo
takeover fw2
knob fw2 state 1
knob fw1 state 0
check "the old primary follows" wait_until is fw1 synced 1
# bounce NODE HOST: the interface of NODE goes and comes.
bounce() {
	ip -n "$1" link set wan down
	ip -n "$1" link set wan up
	ip -n "$1" address replace "$WAN6:$2/64" dev wan nodad
}
masqueraded() { on "$1" conntrack -L -p udp --reply-dst $WAN.2 2>/dev/null | wc -l; }
before=$(masqueraded fw2) lost=$(value fw1 entries_lost_locally)
check "the new primary has $before that were masqueraded" [ "$before" -gt 40 ]
sleep $((SLOWNESS + 5))
bounce fw2 3
check "and keeps them when its interface goes and comes" [ "$(masqueraded fw2)" = "$before" ]
bounce fw1 2
# The kernel looks for what to end in the background.
sleep 1
check "so does the old primary" [ "$(masqueraded fw1)" = "$before" ]
check "nothing of that is a loss" is fw1 entries_lost_locally "$lost"
check "both have the same" wait_until eval 'is fw1 synced 1 && same_tables'

note "by its time, which a user has fixed: it is up on both at once"
before=$(value fw1 entries_lost_locally)
check "an entry with a fixed timeout is made" \
	on fw2 conntrack -I -p udp -s $LAN.50 -d $WAN.50 --sport 1 --dport 7777 -t 3 -u SEEN_REPLY,FIXED_TIMEOUT
check "it is replicated" wait_until has fw1 "dport=7777 "
check "it ends on the backup" wait_until hasnt fw1 "dport=7777 "
check "it ends on the primary" wait_until hasnt fw2 "dport=7777 "
check "that is no loss" is fw1 entries_lost_locally "$before"
finish
