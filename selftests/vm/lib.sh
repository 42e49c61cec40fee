# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests share. Each node is a network namespace of one machine; ct_sync has an instance in each.
#
#             lan 10.1.0.0/24               wan 192.0.2.0/24
#             2001:db8:1::/64               2001:db8:2::/64
#   client .10 ────┬──── .2 fw1 .2 ────┬──── .10 server
#                  │         │ sync    │              sync 10.9.0.0/24, fd00:9::/64:
#                  └──── .3 fw2 .3 ────┘              fw1 .1, fw2 .2, …
#
# The virtual addresses .1 (::1) of lan and wan belong to whichever firewall `takeover` names. Interfaces are called by
# their network: lan, wan, sync. A test sources this file, calls `topology`, then `check` for each point, then `finish`.

LAN=10.1.0 WAN=192.0.2 SYNC=10.9.0
LAN6=2001:db8:1: WAN6=2001:db8:2: SYNC6=fd00:9:
CLIENT=$LAN.10 SERVER=$WAN.10 CLIENT6=$LAN6:10 SERVER6=$WAN6:10

# Seconds that `wait_until` waits at most. Everything takes SLOWNESS times longer with the debug kernel.
WAIT_SECONDS=10
: "${SLOWNESS:=1}"

points=0 failures=0

# Prints a line of diagnosis.
note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check DESCRIPTION COMMAND...: a test point, passed when COMMAND succeeds. What it prints is shown when it fails.
check() {
	local text=$1 output
	shift
	points=$((points + 1))
	if output=$("$@" 2>&1); then
		echo "ok $points $text"
	else
		failures=$((failures + 1))
		echo "not ok $points $text"
		note "failed: $*"
		[ -z "$output" ] || note "$output"
		state_of_nodes
	fi
}

# Everything one needs to understand a failed point.
state_of_nodes() {
	local node
	for node in $FIREWALLS; do
		note "$node: conntrack"
		note "$({ on "$node" conntrack -L; on "$node" conntrack -L -f ipv6; } 2>&1 | head -n 40)"
		note "$node: $(on "$node" grep -vE ' 0$' /proc/net/ct_sync 2>&1 | paste -sd ' ')"
	done
}

# Ends the test: 4 (skipped) with a reason.
skip() { echo "1..0 # SKIP $*"; exit 4; }

# Ends the test with its verdict.
finish() {
	echo "1..$points"
	[ "$failures" = 0 ]
	exit
}

# A pipe in which nothing ever comes, to wait for: sleep(1) is a process.
exec {nothing}<> <(:)

# wait_until COMMAND...: polls COMMAND until it succeeds; fails with its last output after WAIT_SECONDS. What takes long is looked at
# less often, since other machines have use for the processors.
wait_until() {
	local patience=$((WAIT_SECONDS * SLOWNESS)) output pause=20 seconds
	local deadline=$((${EPOCHREALTIME/./} + patience * 1000000))
	until output=$("$@" 2>&1); do
		if [ "${EPOCHREALTIME/./}" -ge "$deadline" ]; then
			echo "still not so after $patience s: $*"
			echo "$output"
			return 1
		fi
		printf -v seconds 0.%03d $pause
		read -rt "$seconds" -u "$nothing"
		[ $pause -ge 200 ] || pause=$((pause * 5 / 4))
	done
}

# on NODE COMMAND...: runs COMMAND in the node's network. Busybox is one static program: in an emulated machine the dynamic linking
# of ip(8) takes longer than what most commands do. Commands are found here, or it would run programs of its own for many names.
declare -A program
on() {
	local found=${program[$2]-}
	[ -n "$found" ] || found=$(type -P "$2") || { echo "there is no program $2"; return 127; }
	program[$2]=$found
	busybox nsenter -n"/run/netns/$1" "$found" "${@:3}"
}

# Commands of ip(8) that wait for `flush`, by node: one process for many is several times faster than one for each.
declare -A waiting

# later NODE COMMAND...: has ip(8) do COMMAND in NODE at the next `flush`.
later() { waiting[$1]+="${*:2}"$'\n'; }

# flush NODE...: does what waits for these nodes.
flush() {
	local node commands
	for node in "$@"; do
		commands=${waiting[$node]-}
		waiting[$node]=''
		ip -n "$node" -batch - <<<"$commands" || return
	done
}

# plug NODE INTERFACE SWITCH ADDRESS...: as `link`, at the next `flush` of `switches` and then of NODE.
plug() {
	local node=$1 interface=$2 switch=$3 address
	shift 3
	later switches link add "$switch.$node" type veth peer name "$interface" netns "$node"
	later switches link set "$switch.$node" master "$switch" up
	for address in "$@"; do
		later "$node" address add "$address" dev "$interface"
	done
	later "$node" link set "$interface" up
}

# link NODE INTERFACE SWITCH ADDRESS...: gives NODE an interface that is plugged into the bridge SWITCH.
link() {
	plug "$@"
	flush switches "$1"
}

# settings FILE=VALUE...: commands for sh(1) that write files below /proc/sys/net.
settings() {
	local pair
	for pair in "$@"; do
		echo "echo ${pair#*=} >/proc/sys/net/${pair%%=*}"
	done
}

# topology [N]: makes the client, the server, N firewalls (default 2) and their networks.
topology() {
	local count=${1:-2} node switch number=0
	FIREWALLS=''
	trap cleanup EXIT
	for number in $(seq "$count"); do FIREWALLS+=" fw$number"; done
	for node in switches client server $FIREWALLS; do
		ip netns add "$node"
		on "$node" sh -c "$(settings ipv6/conf/all/accept_dad=0 ipv6/conf/default/accept_dad=0)"
		later "$node" link set lo up
	done
	for switch in lan wan sync; do
		later switches link add "$switch" type bridge forward_delay 0 mcast_snooping 0
		later switches link set "$switch" up
	done
	plug client lan lan $CLIENT/24 $CLIENT6/64
	plug server wan wan $SERVER/24 $SERVER6/64
	number=0
	for node in $FIREWALLS; do
		number=$((number + 1))
		plug "$node" lan lan $LAN.$((number + 1))/24 $LAN6:$((number + 1))/64
		plug "$node" wan wan $WAN.$((number + 1))/24 $WAN6:$((number + 1))/64
		plug "$node" sync sync $SYNC.$number/24 $SYNC6:$number/64
	done
	later client route add default via $LAN.1
	later client route add ::/0 via $LAN6:1
	later server route add $LAN6:/64 via $WAN6:1
	# shellcheck disable=SC2086 # a list of words
	flush switches client server $FIREWALLS
	for node in $FIREWALLS; do
		on "$node" sh -c "$(settings ipv4/ip_forward=1 ipv6/conf/all/forwarding=1 ipv4/ip_nonlocal_bind=1)"
		ruleset "$node"
	done
	takeover fw1
}

# The rules of a firewall: stateful, the client's flows get the virtual address of wan, port 8080 of it leads to the client.
ruleset() {
	on "$1" nft -f - <<-EOF
		flush ruleset
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname lan tcp flags & (fin | syn | rst | ack) == syn accept
				iifname lan meta l4proto != tcp accept
				iifname wan ct status dnat accept
			}
		}
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				iifname wan ip daddr $WAN.1 tcp dport 8080 dnat to $CLIENT:80
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan ip saddr $LAN.0/24 snat to $WAN.1
			}
		}
	EOF
}

# takeover NODE: gives NODE the virtual addresses, as VRRP would.
takeover() {
	local node
	for node in $FIREWALLS; do
		[ "$node" = "$1" ] || release "$node"
	done
	later "$1" address replace $LAN.1/24 dev lan
	later "$1" address replace $WAN.1/24 dev wan
	later "$1" address replace $LAN6:1/64 dev lan nodad
	later "$1" address replace $WAN6:1/64 dev wan nodad
	later client neighbour flush dev lan
	later server neighbour flush dev wan
	flush "$1" client server
}

# release NODE: takes the virtual addresses away, where it has them.
release() {
	later "$1" address delete $LAN.1/24 dev lan
	later "$1" address delete $WAN.1/24 dev wan
	later "$1" address delete $LAN6:1/64 dev lan
	later "$1" address delete $WAN6:1/64 dev wan
	ip -n "$1" -force -batch - <<<"${waiting[$1]}" 2>/dev/null
	waiting[$1]=''
}

# knob NODE NAME [VALUE]: reads or writes one of ct_sync's knobs.
knob() {
	# shellcheck disable=SC2016 # expanded inside
	if [ $# -gt 2 ]; then
		on "$1" sh -c 'printf "%s\n" "$2" >"/proc/sys/net/netfilter/ct_sync/$1"' knob "$2" "$3"
	else
		on "$1" busybox cat "/proc/sys/net/netfilter/ct_sync/$2"
	fi
}

# value NODE NAME: a line of /proc/net/ct_sync, without its name.
value() { on "$1" busybox sed -n "s/^$2 //p" /proc/net/ct_sync; }

# is NODE NAME VALUE: whether a line of /proc/net/ct_sync has that value.
is() {
	local have
	have=$(value "$1" "$2")
	echo "$1: $2 is '$have', expected '$3'"
	[ "$have" = "$3" ]
}

# at_least NODE NAME VALUE: whether a line of /proc/net/ct_sync has at least that value.
at_least() {
	local have
	have=$(value "$1" "$2")
	echo "$1: $2 is '$have', expected at least '$3'"
	[ "$have" -ge "$3" ]
}

# uncorrected NODE: whether scrubs have corrected nothing there. What one finds counts when no event has explained it for 3 s, and
# the next heartbeat comes.
uncorrected() {
	sleep 4.2
	is "$1" scrub_corrections 0
}

# start_ct_sync: loads the module, starts it on every firewall, makes fw1 primary, and waits for the others to be synced.
start_ct_sync() {
	local node
	modprobe ct_sync || return
	for node in $FIREWALLS; do
		knob "$node" syncdev sync || return
	done
	knob fw1 state 1 || return
	for node in $FIREWALLS; do
		[ "$node" = fw1 ] || wait_until is "$node" synced 1 || return
	done
}

# comparable AWK [ARGUMENT]...: runs awk(1) on lists of entries without what differs by nature: timeouts, counters, how often
# an entry is in use, and flows that end on the node itself.
comparable() {
	local awk=$1
	shift
	awk -v own="(src|dst)=($SYNC\\.|127\\.|$SYNC6|fd00:0009:|ff02|fe80)" '
		$0 ~ own { next }
		{
			if ($5 ~ /^[0-9]+$/) $5 = ""
			gsub(/ (packets|bytes|use|delta-time)=[0-9]+/, "")
		}'"$awk" "$@"
}

# table NODE: the node's conntrack table, one comparable entry a line, sorted.
table() {
	{ on "$1" conntrack -L -o extended; on "$1" conntrack -L -f ipv6 -o extended; } 2>/dev/null |
		comparable '{ gsub(/ +/, " "); sub(/ $/, ""); print }' | LC_ALL=C sort
}

# The kernel's own list of a node's entries, in which addresses have all their digits, and a line that says that it was read.
kernel_list() { on "$1" busybox cat /proc/net/nf_conntrack && echo complete; }

# same_tables [NODE NODE]: whether two nodes (default fw1 and fw2) have the same table, entry by entry; prints the difference.
# `table` twice and diff(1) take four times as long.
same_tables() {
	comparable '
		$0 == "complete" { complete++; next }
		node == 1 { count[$0]++ }
		node == 2 { count[$0]-- }
		END {
			for (entry in count) if (count[entry]) {
				print (count[entry] > 0 ? "-" : "+") entry
				different = 1
			}
			exit different || complete != 2
		}' node=1 <(kernel_list "${1:-fw1}") node=2 <(kernel_list "${2:-fw2}")
}

# has NODE PATTERN: whether an entry of the node's table matches the extended regular expression.
has() { table "$1" | grep -E -- "$2"; }

# hasnt NODE PATTERN: whether no entry of the node's table matches.
hasnt() { ! has "$@"; }

# Ends everything that a test started, in the order in which nothing hangs. Runs at its exit.
cleanup() {
	local node
	trap - EXIT
	# The shell would tell of each job that it is being killed.
	exec 2>/dev/null
	jobs -p | xargs -r kill -9
	for node in $(ip netns list | cut -d ' ' -f 1); do
		ip netns pids "$node" | xargs -r kill -9
	done
	wait
	exec 2>&1
	for node in $(ip netns list | cut -d ' ' -f 1); do
		ip netns delete "$node"
	done
	[ ! -d /sys/module/ct_sync ] || modprobe -r ct_sync
	rm -rf "${TEMPORARY:-/nonexistent}"
}
