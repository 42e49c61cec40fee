#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module loads, shows its knobs under both paths, refuses to load twice, and unloads; conntrack's own tools
# work meanwhile.
#
#   (one machine, no network)

. ./lib.sh || exit
trap cleanup EXIT
FIREWALLS=''
TEMPORARY=$(mktemp -d)

events_are_seen() {
	conntrack -E -e NEW >"$TEMPORARY/events" 2>/dev/null &
	local listener=$!
	wait_until pinged
	kill "$listener"
	wait "$listener" 2>/dev/null
	true
}

# Pings until an event is on record: the listener needs a moment to be there.
pinged() {
	ping -c 1 -W 1 127.0.0.1 >/dev/null && grep -q 'icmp.*src=127.0.0.1' "$TEMPORARY/events"
}

nft -f - <<<'table ip track { chain output { type filter hook output priority 0; ct state new accept; }; }'

check "the module loads" modprobe ct_sync
check "knobs are at the new path" test -e /proc/sys/net/netfilter/ct_sync/state
check "knobs are at the historic path" test -e /proc/sys/net/ipv4/netfilter/ct_sync/state
check "a new node is a backup" grep -qx 0 /proc/sys/net/ipv4/netfilter/ct_sync/state
check "counters can be read" grep -q '^frames_sent 0$' /proc/net/ct_sync
check "loading it again says that it is there" bash -c '! insmod /payload/ct_sync.ko 2>/dev/null'
check "conntrack -L works" conntrack -L
check "conntrack -E works" events_are_seen
check "the module unloads" modprobe -r ct_sync
check "its knobs are gone" test ! -e /proc/sys/net/netfilter/ct_sync
check "conntrack -E works after it" events_are_seen
nft delete table ip track
finish
