# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two firewalls with real keepalived and the very files of examples/. Source it after lib.sh and flows.bash, then call `pair`.
#
#                inside 192.168.1.0/24              outside 192.168.2.0/24
#                2001:db8:1::/64                    2001:db8:2::/64
#   client .10 ────┬──── .1 eth0 fw1 eth1 .1 ────┬──── .10 server
#                  │            eth2             │
#                  │             │ .1            │         sync 192.168.3.0/24
#                  │             │ .2            │
#                  │            eth2             │
#                  └──── .2 eth0 fw2 eth1 .2 ────┘
#
# The virtual addresses are .254 (::fe) of both networks. Each firewall has a /run and an /etc/keepalived of its own, which is what
# keepalived and the scripts see.

LAN=192.168.1 WAN=192.168.2 SYNC=192.168.3
CLIENT=$LAN.10 SERVER=$WAN.10 CLIENT6=$LAN6:10 SERVER6=$WAN6:10
EXAMPLES=$PWD/../examples

# keepalived takes 3.6 × advert_int to miss a MASTER, and a few seconds to come up, in an emulated machine.
# shellcheck disable=SC2034 # wait_until uses it
WAIT_SECONDS=30

# pair [EXAMPLE]: makes the networks and the firewalls, with the rules, the settings and the keepalived.conf of examples/.
pair() {
	local node switch number=0
	FIREWALLS='fw1 fw2' CONF=$EXAMPLES/keepalived/${1:-keepalived.conf} TEMPORARY=$(mktemp -d)
	chmod 755 "$TEMPORARY"
	trap cleanup EXIT
	for node in switches client server $FIREWALLS; do
		ip netns add "$node"
		on "$node" sh -c "$(settings ipv6/conf/all/accept_dad=0 ipv6/conf/default/accept_dad=0)"
		later "$node" link set lo up
	done
	for switch in lan wan sync; do
		later switches link add "$switch" type bridge forward_delay 0 mcast_snooping 0
		later switches link set "$switch" up
	done
	plug client eth0 lan $CLIENT/24 $CLIENT6/64
	plug server eth0 wan $SERVER/24 $SERVER6/64
	for node in $FIREWALLS; do
		number=$((number + 1))
		plug "$node" eth0 lan $LAN.$number/24 $LAN6:$number/64
		plug "$node" eth1 wan $WAN.$number/24 $WAN6:$number/64
		plug "$node" eth2 sync $SYNC.$number/24
	done
	later client route add default via $LAN.254
	later client route add ::/0 via $LAN6:fe
	later server route add $LAN6:/64 via $WAN6:fe
	flush switches client server fw1 fw2
	install -D -t /usr/libexec/ct_sync "$EXAMPLES/keepalived/fifo" "$EXAMPLES/keepalived/state"
	modprobe "$(grep -v '^#' "$EXAMPLES/modules-load.d/ct_sync.conf")" || return
	for node in $FIREWALLS; do
		mkdir -p "$TEMPORARY/$node/run"
		cp -r /etc/keepalived "$TEMPORARY/$node/etc"
		configure "$node" "$CONF"
		boot "$node" || return
	done
}

# configure NODE EXAMPLE [SED]: gives the node its keepalived.conf, changed as the example's comments say, and with adverts that fit a slow kernel.
configure() {
	local slow=''
	[ "$SLOWNESS" = 1 ] || slow="s/advert_int .*/advert_int 2/"
	sed -E "$slow;${3-}" "$2" >"$TEMPORARY/$1/etc/keepalived.conf"
}

# boot NODE: what a firewall does at boot, before keepalived. In its namespace nothing of an earlier life is left.
boot() {
	local file
	for file in "$EXAMPLES"/sysctl.d/*.conf; do
		on "$1" sysctl -qp "$file" || return
	done
	on "$1" nft -f "$EXAMPLES/nftables/firewall.nft"
}

# keepalived_start NODE: as keepalived.service does.
keepalived_start() {
	local dir=$TEMPORARY/$1
	on "$1" unshare --mount --propagation private sh -c '
		mount --bind "$1/run" /run && mount --bind "$1/etc" /etc/keepalived &&
			exec keepalived --dont-fork --log-console --log-detail' sh "$dir" >>"$dir/log" 2>&1 &
}

# keepalived_pids NODE: keepalived's processes, without its scripts.
keepalived_pids() {
	local pid
	for pid in $(ip netns pids "$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != keepalived ] || echo "$pid"
	done
}

# all_ended PID...: whether none of the processes is left.
all_ended() {
	local pid
	for pid in "$@"; do
		! kill -0 "$pid" 2>/dev/null || { echo "$pid is still there"; return 1; }
	done
}

# keepalived_stop NODE [SIGNAL]: TERM as systemd does it, to all that belongs to the service; waits until keepalived is gone.
keepalived_stop() {
	local signal=${2:-TERM} pids
	pids=$(keepalived_pids "$1")
	[ "$signal" != TERM ] || pids=$(ip netns pids "$1" | paste -sd ' ')
	# shellcheck disable=SC2086 # a list of words
	kill -"$signal" $pids
	# shellcheck disable=SC2046
	wait_until all_ended $(keepalived_pids "$1")
	echo "Entering STOPPED STATE" >>"$TEMPORARY/$1/log"
}

# vrrp NODE: the state that its keepalived entered last.
vrrp() { sed -nE 's/.*Entering ([A-Z]+) STATE.*/\1/p' "$TEMPORARY/$1/log" | tail -n 1; }

# holds NODE: whether the node has all virtual addresses.
holds() {
	local have address
	have=$(ip -n "$1" -br address)
	for address in $LAN.254 $WAN.254 2001:db8:1::fe 2001:db8:2::fe; do
		grep -q " $address/" <<<"$have" || { echo "$1 has no $address"; return 1; }
	done
}

# agrees NODE MASTER|BACKUP|FAULT|STOPPED: whether keepalived and ct_sync of the node are in that state.
agrees() {
	local state=0
	[ "$2" != MASTER ] || state=1
	echo "$1: keepalived $(vrrp "$1"), state $(knob "$1" state), expected $2, $state"
	[ "$(vrrp "$1")" = "$2" ] && [ "$(knob "$1" state)" = $state ] && { [ $state = 0 ] || holds "$1"; }
}

# roles NODE STATE NODE STATE: whether both nodes agree with that, and the one that is no MASTER has the table of the one that is.
roles() {
	wait_until agrees "$1" "$2" && wait_until agrees "$3" "$4" || return
	case $2$4 in
	MASTERBACKUP | MASTERFAULT | MASTERSTOPPED) wait_until is "$3" synced 1 ;;
	esac
}

# elected: whether one node has become MASTER and the other BACKUP; sets `active` and `standby`.
elected() {
	active=fw1 standby=fw2
	[ "$(vrrp fw2)" != MASTER ] || { active=fw2 standby=fw1; }
	agrees "$active" MASTER && agrees "$standby" BACKUP
}
swap() { local was=$active; active=$standby standby=$was; }

KINDS="tcp udp tcp6"
# Opens a flow of each kind through the firewalls; the server's side is there since `start_flows`.
open_flows() {
	flow open tcp client tcp $SERVER 7 && flow open udp client udp $SERVER 7 && flow open tcp6 client tcp $SERVER6 7 &&
		flows echo $KINDS
}
# lives: whether all flows go on, and another one opens.
lives() {
	flows echo $KINDS && flow open another client tcp $SERVER 7 && flow echo another && flow close another
}

# cable NODE NETWORK up|down: plugs an interface of the node in or out.
cable() { ip -n switches link set "$2.$1" "$3"; }
# cut_off NODE: the power of the node fails: it hears and says nothing any more, and what it knew is gone when it comes back.
cut_off() {
	local network
	for network in lan wan sync; do cable "$1" $network down; done
	keepalived_stop "$1" KILL
}
# come_back NODE [NETWORKS]: the node boots again, joined to all networks or to those that are named.
come_back() {
	local network
	knob "$1" syncdev ''
	knob "$1" state 0
	ip -n "$1" -force -batch - 2>/dev/null <<-EOB
		address delete $LAN.254/24 dev eth0
		address delete $WAN.254/24 dev eth1
		address delete $LAN6:fe/64 dev eth0
		address delete $WAN6:fe/64 dev eth1
	EOB
	on "$1" conntrack -F 2>/dev/null
	rm -rf "$TEMPORARY/$1/run"/*
	for network in ${2:-lan wan sync}; do cable "$1" "$network" up; done
	boot "$1" && keepalived_start "$1"
}

# What keepalived and the module said, for a test that has failed.
keepalived_logs() {
	local node
	for node in $FIREWALLS; do
		note "keepalived of $node"
		note "$(sed -E 's/^[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ //' "$TEMPORARY/$node/log" | grep -vE 'Sending|Queueing' | tail -n "${1:-60}")"
	done
}
