# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Flows between the nodes of a test, opened and used by flows.py. Source it after lib.sh, call `start_flows` after `topology`.

# Starts the process that has the flows. It ends when the test does, since its input ends then.
start_flows() {
	coproc FLOWS { exec python3 ./flows.py; }
	# A coprocess's own descriptors are closed in subshells, and `check` makes one.
	exec {flows_in}>&"${FLOWS[1]}" {flows_out}<&"${FLOWS[0]}"
}

# flow COMMAND...: has flows.py do something and waits for its answer; see there for the commands.
flow() {
	local answer
	echo "$*" >&"$flows_in"
	read -r -t 30 answer <&"$flows_out" || answer='error no answer'
	[ "$answer" = ok ] || echo "${answer#ok }"
	[ "${answer%% *}" = ok ]
}

# cant COMMAND...: whether a command fails.
cant() { ! "$@"; }

# flows COMMAND FLOW...: does COMMAND with each flow.
flows() {
	local command=$1 name
	shift
	for name in "$@"; do
		flow "$command" "$name" || return
	done
}
