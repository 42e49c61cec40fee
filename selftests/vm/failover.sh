#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A TCP session through NAT lives on when the other firewall takes over, there and back; without ct_sync it dies.
#
#   client ── fw1, fw2 ── server

. ./lib.sh || exit
topology
TEMPORARY=$(mktemp -d)

# Opens a session that echoes lines; its ends are the files `send` and `heard`.
open_session() {
	mkfifo "$TEMPORARY/send"
	on client socat - TCP4:$SERVER:7 <"$TEMPORARY/send" >"$TEMPORARY/heard" 2>/dev/null &
	session=$!
	exec 8>"$TEMPORARY/send"
}

close_session() {
	exec 8>&-
	kill $session 2>/dev/null
	wait $session 2>/dev/null
	rm -f "$TEMPORARY/send" "$TEMPORARY/heard"
	true
}

# echoes WORD: whether the session still carries a line there and back.
echoes() {
	echo "$1" >&8
	wait_until grep -qx "$1" "$TEMPORARY/heard"
}

doesnt_echo() { ! WAIT_SECONDS=3 echoes "$1"; }

on server socat TCP4-LISTEN:7,fork,reuseaddr EXEC:cat &
wait_until on server sh -c 'ss -Hlnt "sport = 7" | grep -q .'

open_session
check "a session opens" echoes one
takeover fw2
check "without ct_sync it dies in a takeover" doesnt_echo two
close_session

takeover fw1
check "ct_sync starts" start_ct_sync
open_session
check "another session opens" echoes three
check "it is on the backup" wait_until has fw2 "tcp.*ESTABLISHED src=$CLIENT "
knob fw1 state 0
takeover fw2
knob fw2 state 1
check "it lives on through the other firewall" echoes four
check "the first firewall is in step again" wait_until is fw1 synced 1
check "the tables are equal" wait_until same_tables fw2 fw1
knob fw2 state 0
takeover fw1
knob fw1 state 1
check "it lives on through the first firewall" echoes five
close_session
finish
