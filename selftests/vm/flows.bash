# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Flows between the nodes of a test, opened and used by flows.py. Source it after lib.sh, call `start_flows` after `topology`.

# start_flows [PROGRAM]: starts the process that has the flows. It ends when the test does, since its input ends then.
#
# Its packets stay on one processor and so in order. From two, a handshake's ACK that waits for a processor of its own can come when
# the connection has ended: a RST answers it, and what should be in TIME_WAIT is in CLOSE.
start_flows() {
	coproc FLOWS { exec taskset --cpu-list 0 python3 "./${1:-flows.py}"; }
	# A coprocess's own descriptors are closed in subshells, and `check` makes one.
	exec {flows_in}>&"${FLOWS[1]}" {flows_out}<&"${FLOWS[0]}"
}

# flow COMMAND...: has flows.py do something and waits for its answer; see there for the commands.
flow() {
	local answer
	echo "$*" >&"$flows_in"
	read -r -t $((30 * SLOWNESS)) answer <&"$flows_out" || answer='error no answer'
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

# play NAME SCRIPT...: plays scripts side by side, see segments.py and datagrams.py.
play() {
	local name words=''
	while [ $# -gt 0 ]; do
		name=$1
		words+=" $name:${2// /_}"
		shift 2
	done
	# shellcheck disable=SC2086 # a list of words
	flow play $words
}

# Has the client and the server drop what arrives, so that only crafted packets answer crafted packets.
quiet_nodes() {
	local node
	for node in client server; do
		on "$node" nft -f - <<-'EOR'
			table inet quiet {
				chain input {
					type filter hook input priority -300;
					icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
					iifname != lo drop
				}
			}
		EOR
	done
}
