#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/suspended.sh KVER   a backup stands still for half a minute while connections open and close at full speed
#
# Two machines, of which the backup is really stopped, with its clocks, its sockets and all that waits in them.
#
#   client ── fw1 (primary) ── a sink in wan that nobody is
#              └── cable ── fw2 (backup), another machine

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

KVER=$1
SLOWNESS=$(slowness "$KVER")
# How long it stands still, and how much earlier the load begins. That has 65 000 flows from each port.
SECONDS_AWAY=30 SECONDS_BEFORE=3
LOADS=3 LOAD_SECONDS=12
SETTLED_SECONDS_MAX=10
MACHINE_SECONDS=$((300 * SLOWNESS))

WORK=$(mktemp -d "${TMPDIR:-/tmp}/ct_sync-suspended.XXXXXX")
finish() {
	local vm
	[ ! -s "$WORK/pid" ] || kill -CONT "$(cat "$WORK/pid")" 2>/dev/null || true
	for vm in "${MACHINES[@]}"; do kill "$vm" 2>/dev/null || true; done
	wait
	rm -rf "$WORK"
}
MACHINES=()
trap finish EXIT
trap 'exit 143' INT TERM HUP

# boot NODE OPTION...: boots the machine of a node, which does what it is asked to.
declare -A to from
boot() {
	local node=$1 fd
	shift
	mkfifo "$WORK/$node.input" "$WORK/$node.output"
	exec {fd}<>"$WORK/$node.input"
	to[$node]=$fd
	exec {fd}<>"$WORK/$node.output"
	from[$node]=$fd
	"$SCRIPTS/vm" --kver "$KVER" --time $MACHINE_SECONDS --name "$node" --payload "$REPO/selftests/vm" --input "$WORK/$node.input" \
		--console "$WORK/$node.console" "$@" -- env SLOWNESS="$SLOWNESS" vm/obey >"$WORK/$node.output" 2>"$WORK/$node.err" </dev/null &
	MACHINES+=($!)
}

# ask NODE COMMAND: has a machine run COMMAND; its output and status become those of this function.
ask() {
	local line
	printf '%s\n' "$2" >&"${to[$1]}"
	while IFS= read -r -t $((60 * SLOWNESS)) -u "${from[$1]}" line; do
		[[ $line != "@done "* ]] || return "${line#@done }"
		printf '%s\n' "$line"
	done
	echo "no answer from $1 to: $2"
	cat "$WORK/$1.err"
	tail -n 60 "$WORK/$1.console"
	return 1
}

# Whether the backup has all that the primary has told.
settled() { ask fw2 "is fw2 synced 1 && is fw2 seq $(ask fw1 'value fw1 seq')"; }

# Waits until it is so.
wait_until_settled() {
	local deadline=$((SECONDS + 60 * SLOWNESS))
	until settled; do [ $SECONDS -lt $deadline ] || return; done
}

# Whether the tables are equal; prints the difference.
same_tables() {
	diff <(ask fw1 "kernel_list fw1 | comparable '{ print }' | LC_ALL=C sort") \
		<(ask fw2 "kernel_list fw2 | comparable '{ print }' | LC_ALL=C sort")
}

# Whether a number is not above another.
within() {
	echo "$1 were measured, at most $2 are allowed"
	[ "$1" -le "$2" ]
}

"$SCRIPTS/build" "$KVER" >/dev/null
boot fw1 --nic "$WORK/cable.a"
boot fw2 --nic "$WORK/cable.b" --pidfile "$WORK/pid"
for node in fw1 fw2; do
	check "$node boots" ask $node "topology 2 && start_churn && modprobe ct_sync"
	check "$node has a cable" ask $node "ip link set eth0 netns switches && ip -n switches link set eth0 master sync up"
done
check "the primary starts" ask fw1 "ip netns delete fw2; FIREWALLS=fw1; knob fw1 syncdev sync && knob fw1 state 1"
check "the backup starts" ask fw2 "ip netns delete fw1; FIREWALLS=fw2; knob fw2 syncdev sync"
check "it has everything" wait_until_settled

check "connections open" ask fw1 "for port in \$(seq $LOADS); do churn load \$SINK $LOAD_SECONDS \$port fw1; done >/tmp/load & load=\$!"
sleep $SECONDS_BEFORE
check "they are replicated" ask fw2 "at_least fw2 table_count 200"
kill -STOP "$(cat "$WORK/pid")"
sleep $SECONDS_AWAY
kill -CONT "$(cat "$WORK/pid")"
check "the load ends" ask fw1 "wait \$load"
ask fw1 'cat /tmp/load' | sed 's/^/# /'
start=${EPOCHREALTIME/./}
wait_until_settled >/dev/null || true
took=$(((${EPOCHREALTIME/./} - start) / 1000))
check "the gap was beyond the backlog" ask fw2 "at_least fw2 gaps_gone 1"
check "the backup has everything $took ms after the load" within $took $((SETTLED_SECONDS_MAX * 1000))
check "the tables are equal" same_tables
check "it is as far as the primary still" settled
conclude
