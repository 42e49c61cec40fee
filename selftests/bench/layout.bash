# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two firewalls in one machine, whose clients and servers are played by inject.c.
#
#               tap lan ──▶         ──▶ dummy toserver
#                            fw1
#   dummy toclient ◀──       │      ◀── tap wan
#                            │ sync 10.9.0.1/24
#                            │ sync 10.9.0.2/24
#                           fw2          the same devices, where nothing comes
#
# What comes by a tap leaves by a dummy: a frame that is forwarded costs what forwarding costs, and nothing behind it.

SYNC=10.9.0

# Limits of the conntrack table.
ENTRIES_MAX=2000000 BUCKETS=65536

# Finds programs once; commands run in a network namespace without ip(8) in between.
on() { busybox nsenter -n"/run/netns/$1" "$(type -P "$2")" "${@:3}"; }

# layout [N]: makes N firewalls (default 2): with two, `sync` is a cable, with more a bridge.
layout() {
	local number node
	modprobe -a tun dummy veth nf_conntrack nf_nat nft_ct nft_chain_nat nft_nat
	# These hold for all namespaces.
	echo $ENTRIES_MAX >/proc/sys/net/netfilter/nf_conntrack_max
	echo $BUCKETS >/proc/sys/net/netfilter/nf_conntrack_buckets
	FIREWALLS=''
	ip netns add switch
	for number in $(seq "${1:-2}"); do
		node=fw$number
		FIREWALLS+=" $node"
		ip netns add "$node"
		ip -n "$node" -batch - <<-END
			link set lo up
			tuntap add lan mode tap
			tuntap add wan mode tap
			link set lan address 02:00:00:00:00:01 up
			link set wan address 02:00:00:00:00:02 up
			link add toclient type dummy
			link add toserver type dummy
			link set toclient up
			link set toserver up
			address add 192.0.2.1/24 dev toserver
			address add 10.2.0.1/24 dev toclient
			route add 10.1.0.0/16 via 10.2.0.2 dev toclient
			route add 198.18.0.0/15 via 192.0.2.2 dev toserver
		END
		on "$node" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
		rules "$node"
	done
	cables "$number"
	for number in $(seq "$number"); do
		ip -n "fw$number" address add "$SYNC.$number/24" dev sync
		ip -n "fw$number" link set sync up
	done
}

# Ties the `sync` of N firewalls together.
cables() {
	local number
	if [ "$1" = 2 ]; then
		ip link add sync netns fw1 type veth peer name sync netns fw2
		return
	fi
	ip -n switch link add sync type bridge forward_delay 0 mcast_snooping 0
	ip -n switch link set sync up
	for number in $(seq "$1"); do
		ip link add "sync.$number" netns switch type veth peer name sync netns "fw$number"
		ip -n switch link set "sync.$number" master sync up
	done
}

# The rules of a firewall: stateful, what goes to the servers gets the address 192.0.2.1.
rules() {
	on "$1" nft -f - <<-END
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname lan tcp flags & (fin | syn | rst | ack) == syn accept
			}
		}
		table ip nat {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname toserver snat to 192.0.2.1
			}
		}
	END
}

# knob NODE NAME VALUE: writes one of ct_sync's knobs.
knob() { on "$1" sh -c "echo $3 >/proc/sys/net/netfilter/ct_sync/$2"; }

# value NODE NAME: a line of /proc/net/ct_sync, without its name.
value() { on "$1" sed -n "s/^$2 //p" /proc/net/ct_sync; }

# counter NODE DEVICE NAME: a counter of a network device.
counter() { on "$1" ip -s -j link show "$2" | jq ".[0].stats64.$3"; }

# entries NODE: how many entries the node has.
entries() { on "$1" conntrack -C; }

# await COMMAND...: waits at most two minutes until COMMAND succeeds.
await() {
	local try
	for ((try = 0; try < 6000; try++)); do
		"$@" && return
		sleep 0.02
	done
	echo "bench: still not so: $*" >&2
	return 1
}
