#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/cost.sh KVER   a connection costs no more than it did: the short benchmark beside selftests/bench/baseline
#
# What the kernel itself takes is subtracted on both sides, so that another kernel is no reason to fail. Who makes a connection dearer
# or cheaper on purpose keeps the new counts: by hand, from what scripts/bench --short prints, into selftests/bench/baseline.

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

# How much worse a count may be, in percent of what a connection takes altogether.
WORSE_MAX=3

WORK=$(mktemp -d "${TMPDIR:-/tmp}/ct_sync-cost.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 143' INT TERM HUP

measure() { "$SCRIPTS/bench" --short --kver "$1" >"$WORK/now"; }

# instructions FILE CONTENDER: what it takes for a connection.
instructions() { awk -v name="$2" -F '[ =]' '$1 == name {print $3}' "$1"; }

# no_worse CONTENDER: whether it costs at most WORSE_MAX percent more than it did.
no_worse() {
	local before now all worse
	all=$(instructions "$REPO/selftests/bench/baseline" "$1")
	before=$((all - $(instructions "$REPO/selftests/bench/baseline" nothing)))
	now=$(($(instructions "$WORK/now" "$1") - $(instructions "$WORK/now" nothing)))
	worse=$(((now - before) * 1000 / all))
	echo "$1: $now instructions above those of the kernel, $before before: $((worse / 10)).$((${worse#-} % 10)) % of $all"
	cat "$WORK/now"
	[ $worse -le $((WORSE_MAX * 10)) ]
}

check "the short benchmark runs" measure "$1"
for contender in alone both; do
	check "a connection costs no more than it did: $contender" no_worse $contender
done
conclude
