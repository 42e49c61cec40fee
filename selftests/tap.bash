# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Test points of tests that run on this machine.

points=0 failures=0

# check DESCRIPTION COMMAND...: a test point, passed when COMMAND succeeds. What it prints is shown when it fails.
check() {
	local text=$1 output
	shift
	points=$((points + 1))
	if output=$("$@" 2>&1 </dev/null); then
		echo "ok $points $text"
	else
		failures=$((failures + 1))
		echo "not ok $points $text"
		printf '%s\n' "failed: $*" "$output" | sed 's/^/# /'
	fi
}

# The end of a test, with its verdict.
conclude() {
	echo "1..$points"
	[ $failures = 0 ]
}
