# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Connections that open and close at full speed towards an address that nobody has, so that only firewalls have work with
# them. Source it after lib.sh, call `start_churn` after `topology`; churn.py says what can be measured.

SINK=$WAN.77

# Lets every firewall send to SINK, and the tables hold what the load makes, until the test ends.
start_churn() {
	local node
	limit_before_churn=$(sysctl -n net.netfilter.nf_conntrack_max)
	trap 'end_churn; cleanup' EXIT
	sysctl -qw net.netfilter.nf_conntrack_max=200000
	for node in $FIREWALLS; do
		ip -n "$node" neighbour replace "$SINK" lladdr 02:00:00:00:00:77 dev wan nud permanent
		on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
	done
}

# Makes the tables as small again as they were; a test that has a trap of its own calls it there.
end_churn() { sysctl -qw net.netfilter.nf_conntrack_max="$limit_before_churn"; }

churn() { python3 ./churn.py "$@"; }

# measure COMMAND...: runs COMMAND, prints the line that it says, and keeps its values in `measured`, for the test to read.
# shellcheck disable=SC2034
declare -A measured
measure() {
	local pair line
	measured=()
	line=$("$@") || { check "measured: $*" false; return; }
	note "${*:2}: $line"
	for pair in $line; do
		measured[${pair%%=*}]=${pair#*=}
	done
}

# within NUMBER MAX: whether a measured number is there and not above the limit.
within() {
	echo "${1:-nothing} was measured, at most $2 is allowed"
	[ -n "$1" ] && [ "$1" -le "$2" ]
}

# at_least_number NUMBER MIN: whether a measured number is there and not below.
at_least_number() {
	echo "${1:-nothing} was measured, at least $2 is needed"
	[ -n "$1" ] && [ "$1" -ge "$2" ]
}

# netem LOSS NODE...: loses that part of what these nodes send; none is none.
netem() {
	local node
	for node in "${@:2}"; do
		if [ "$1" = none ]; then
			on "$node" tc qdisc delete dev sync root
		else
			on "$node" tc qdisc replace dev sync root netem loss "$1" limit 100000
		fi
	done
}

# equal_since_measured PRIMARY BACKUP...: whether the tables are equal, entry by entry, and no frame has come since what was
# measured that made them so.
equal_since_measured() {
	local node
	for node in "${@:2}"; do
		same_tables "$1" "$node" | head -n 5
		[ "${PIPESTATUS[0]}" = 0 ] || return
		is "$node" seq "${measured[seq]}" || return
	done
}
