#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# keepalived changes its mind quickly on a busy machine. The FIFO's script and the ordered notify script both end in the state that
# keepalived ended in; a notify script that only writes need not.
#
#   client ── fw1, fw2 ── server       see keepalived.bash
#
# quiet: yes
# time: 400

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

[ "$SLOWNESS" = 1 ] || skip "a matter of tenths of a second"

ROUNDS=${ROUNDS:-4} FLIPS=6

# Nothing but VRRP on one network matters here.
holds() { :; }

# flips EXAMPLE [SED]: starts keepalived of both with the example, changed by SED. In each round the priority of fw1, which follows a
# file, falls below that of fw2 and rises above it, again and again.
flips() {
	local node
	for node in $FIREWALLS; do
		configure "$node" "$EXAMPLES/keepalived/$1" "s/advert_int .*/advert_int 0.1/; /nopreempt/d; $2"
		: >"$TEMPORARY/$node/log"
	done
	echo 0 >"$TEMPORARY/fw1/run/flip"
	sed -i -E '1i vrrp_track_file flip {\n\tfile /run/flip\n}' "$TEMPORARY/fw1/etc/keepalived.conf"
	sed -i -E 's/^\tadvert_int .*/&\n\ttrack_file {\n\t\tflip weight 100\n\t}/' "$TEMPORARY/fw1/etc/keepalived.conf"
	sed -i -E 's/priority 100.*/priority 150/' "$TEMPORARY/fw2/etc/keepalived.conf"
	keepalived_start fw1
	keepalived_start fw2
}
started() { wait_until agrees fw2 MASTER && wait_until agrees fw1 BACKUP; }

# agree: whether both nodes' ct_sync is in the state of their keepalived.
agree() {
	local node
	for node in $FIREWALLS; do
		agrees "$node" "$(vrrp "$node")" || return
	done
}

# settle: whether both agree in the end; a change may still be under way.
settle() { wait_until agree; }

# rounds: how many rounds end with a wrong state.
rounds() {
	local wrong=0 node
	for _ in $(seq "$ROUNDS"); do
		for _ in $(seq $FLIPS); do
			echo 1 >"$TEMPORARY/fw1/run/flip"; read -rt 0.35 -u "$nothing"
			echo 0 >"$TEMPORARY/fw1/run/flip"; read -rt 0.35 -u "$nothing"
		done
		read -rt 2 -u "$nothing"
		if ! settle; then
			wrong=$((wrong + 1))
			for node in $FIREWALLS; do note "$(tail -n 4 "$TEMPORARY/$node/log")"; done
		fi
	done
	note "$1: $wrong wrong states after $ROUNDS rounds, $(grep -c 'inside) Entering' "$TEMPORARY/fw1/log") changes of fw1"
	[ $wrong = 0 ]
}

stop_both() { keepalived_stop fw1; keepalived_stop fw2; }

pair || exit
for node in $FIREWALLS; do knob "$node" l2drop 0; done

# overtaken FIRST SECOND: whether a script that was started first, but runs only when the second has ended, leaves the last word to it.
overtaken() {
	local first
	on fw1 sh -c 'echo $$ >"$2"; kill -STOP $$; exec /usr/libexec/ct_sync/state "$1"' sh "$1" "$TEMPORARY/first" >/dev/null &
	wait_until grep -q . "$TEMPORARY/first" && first=$(cat "$TEMPORARY/first") || return
	wait_until grep -q '^State:.*stopped' "/proc/$first/status"
	on fw1 /usr/libexec/ct_sync/state "$2"
	kill -CONT "$first"
	wait $!
	rm "$TEMPORARY/first"
	echo "state is $(knob fw1 state), expected $2"
	[ "$(knob fw1 state)" = "$2" ]
}
check "a script that is overtaken does not make a backup of a MASTER" overtaken 0 1
check "nor a primary of a backup" overtaken 1 0

hogs=''
for _ in 1 2 3 4; do
	sh -c 'while :; do :; done' &
	hogs+=" $!"
done

flips keepalived.conf '/^vrrp_sync_group/,/^}/d; /^vrrp_instance outside/,/^}/d'
check "the FIFO: keepalived starts" started
check "the FIFO: states are right" rounds "the FIFO"
stop_both
flips notify.conf '/^\ttrack_script/,/^\t}/d'
check "the ordered script: keepalived starts" started
check "the ordered script: states are right" rounds "the ordered script"
stop_both
[ $failures = 0 ] || keepalived_logs
# shellcheck disable=SC2086 # a list of words
kill $hogs
finish
