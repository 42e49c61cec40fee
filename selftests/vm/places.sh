#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The examples for other places do what their pages say: a cloud without multicast, two cables in a bond one of which is cut under
# load, a WireGuard tunnel, a namespace with a name of its own.
#
#   client ── fw1 (primary), fw2 (backup) ── server       see keepalived.bash; a second cable joins eth3 of both firewalls
#
# time: 300

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

# equal: whether the tables are the same but for the nodes' own multicast, whatever they are joined by.
equal() { SYNC='(192\.168\.[34]|10\.9\.9)' same_tables; }

# replicates PORT: whether the backup is synced, and a new flow from this port of the client comes to it.
replicates() {
	flow open "$1" client tcp $SERVER 7 "$1" && flow echo "$1" && wait_until is fw2 synced 1 &&
		wait_until has fw2 "tcp .*ESTABLISHED .*sport=$1 "
}

# both COMMAND...: does COMMAND on both firewalls.
both() { on fw1 "$@" && on fw2 "$@"; }

# drops RULE: has both firewalls drop what matches a rule when they send it; without a rule, nothing any more.
drops() {
	local node
	for node in $FIREWALLS; do
		on "$node" nft -f - <<-EOR || return
			table inet test
			delete table inet test
			table inet test {
				chain output {
					type filter hook output priority 0
					${1:+$1 counter drop}
				}
			}
		EOR
	done
}

pair || exit
later switches link add sync2 type bridge forward_delay 0 mcast_snooping 0
later switches link set sync2 up
for node in $FIREWALLS; do
	plug "$node" eth3 sync2
	knob "$node" l2drop 0
done
flush switches fw1 fw2
# Without keepalived fw1 has the virtual addresses.
ip -n fw1 address add $LAN.254/24 dev eth0
ip -n fw1 address add $WAN.254/24 dev eth1
start_flows
flow listen server 7
knob fw1 state 1
check "multicast replicates" replicates 3001

note "clouds"
check "no multicast any more" drops "ip daddr 224.0.0.254"
check "nothing is heard" wait_until is fw2 synced 0
check "the settings for clouds" both sysctl -qp "$EXAMPLES/clouds/60-ct_sync.conf"
check "replication goes on without multicast" replicates 3002
drops ''
on fw1 sh "$EXAMPLES/commands/peers"
check "commands/peers sets them" [ "$(knob fw1 peers)" = "10.9.0.1 10.9.0.2 10.9.0.3" ]
for node in $FIREWALLS; do knob "$node" peers ''; done
check "multicast again" wait_until is fw2 synced 1

if modprobe --dry-run --quiet bonding; then
	note "a bond"
	# Where nobody says max_bonds=0, as systemd does, the module makes a bond0.
	modprobe bonding max_bonds=0
	check "the rules for a bond" both nft -f "$EXAMPLES/bond/input.nft"
	both sysctl -qw net.netfilter.ct_sync.syncdev=
	check "the commands, firewall 1" on fw1 sh -e "$EXAMPLES/commands/bond"
	check "the commands, firewall 2" on fw2 sh -ec "$(sed 's/192\.168\.4\.1/192.168.4.2/' "$EXAMPLES/commands/bond")"
	check "replication goes over the bond" replicates 3003
	active() { on fw1 sed -n 's/^Currently Active Slave: //p' /proc/net/bonding/bond-sync; }
	uses() { [ "$(active)" = "$1" ] || { echo "fw1 uses $(active)"; return 1; }; }
	on client sh -c 'while :; do echo x | nc -N -w 5 '$SERVER' 7 >/dev/null; done' &
	before=$(value fw1 records_sent)
	check "there is load" wait_until at_least fw1 records_sent $((before + 20))
	used=$(active) other=eth3 cable=sync
	[ "$used" = eth2 ] || other=eth2 cable=sync2
	resyncs=$(value fw2 resyncs_completed)
	for node in $FIREWALLS; do ip -n switches link set "$cable.$node" down; done
	check "the cable in use is cut: the other one is used" wait_until uses $other
	before=$(value fw1 records_sent)
	check "the load goes on" wait_until at_least fw1 records_sent $((before + 20))
	check "replication goes on" wait_until is fw2 synced 1
	pkill -P $! -x nc
	kill $!
	check "the tables are equal" wait_until equal
	note "resyncs completed: $resyncs before, $(value fw2 resyncs_completed) after"
	check "each lost frame was made good" eval 'is fw2 gaps_gone 0'
	for node in $FIREWALLS; do ip -n switches link set "$cable.$node" up; done
	both sysctl -qw net.netfilter.ct_sync.syncdev=
	both ip link delete bond-sync
	modprobe -r bonding
else
	note "this kernel has no bonding"
fi

if modprobe --dry-run --quiet wireguard; then
	note "WireGuard"
	# The keys of the example, and the addresses of fw2.
	KEYS='s|PRIVATE_KEY_1|sHQh62LDynhGmoQTm/zTTMYpL0xquaxdG9b+aJ2urU8=|; s|PUBLIC_KEY_2|RNxt/P3VNmbIsZ/3mWm9dpIARC/uYd/nbCJOk06m43I=|'
	OTHER='s|PRIVATE_KEY_1|MDTdbVfF4SAwHkhl18fxiErvOznXmzqyX6KyIgUtlHo=|; s|PUBLIC_KEY_2|l+wvA31NkI+QORGX1YDrTlyTtpJhIBwskMw7jufKQj4=|
		s|10\.9\.9\.2/32|10.9.9.1/32|; s|10\.9\.9\.1/24|10.9.9.2/24|; s|192\.168\.3\.2:|192.168.3.1:|'
	# tunnel NODE SED: what wg-quick does with wg0.conf.
	tunnel() {
		local file=$TEMPORARY/$1/wg0.conf
		sed "$2" "$EXAMPLES/wireguard/wg0.conf" >"$file"
		ip -n "$1" link set eth2 up && ip -n "$1" address replace "$SYNC.${1#fw}/24" dev eth2 &&
			ip -n "$1" link add wg0 type wireguard && on "$1" python3 wg.py wg0 "$file" &&
			ip -n "$1" address add "$(sed -n 's/^Address = //p' "$file")" dev wg0 &&
			ip -n "$1" link set wg0 mtu "$(sed -n 's/^MTU = //p' "$file")" up
	}
	for node in $FIREWALLS; do ip -n $node link set eth2 nomaster; done
	check "the rules for a tunnel" both nft -f "$EXAMPLES/wireguard/input.nft"
	check "a tunnel, firewall 1" tunnel fw1 "$KEYS"
	check "a tunnel, firewall 2" tunnel fw2 "$OTHER"
	check "the settings for it" both sysctl -qp "$EXAMPLES/wireguard/60-ct_sync.conf"
	check "nothing is sent outside of the tunnel" drops "udp dport 3781 oifname != wg0"
	check "replication goes through the tunnel" replicates 3004
	drops ''
	# nonsense ADDRESS: sends fw2 what is no frame.
	nonsense() {
		on fw1 python3 - "$1" <<-'EOP'
			import socket, sys
			s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
			s.sendto(bytes(64), (sys.argv[1], 3781))
		EOP
	}
	nonsense 192.168.3.2
	nonsense 10.9.9.2
	check "what comes through the tunnel is looked at, and refused" wait_until eval '! is fw2 frames_bad_magic 0 || ! is fw2 frames_unknown_peer 0'
	note "$(on fw2 grep -E '^frames_(bad|unknown|wrong|other|short)' /proc/net/ct_sync | grep -v ' 0$')"
	check "what comes from outside of it is not" eval '[ "$(on fw2 awk "/^frames_bad_magic|^frames_unknown_peer|^frames_short/ { n += \$2 } END { print n }" /proc/net/ct_sync)" = 1 ]'
	knob fw2 l2drop 2
	check "with l2drop the tunnel's own packets are dropped" wait_until is fw2 synced 0
	knob fw2 l2drop 0
	check "without it they are not" wait_until is fw2 synced 1
	drops ''
	both sysctl -qw net.netfilter.ct_sync.syncdev=
else
	note "this kernel has no wireguard"
fi

if modprobe --dry-run --quiet macsec; then
	note "MACsec"
	# macsec NODE OTHER KEY OTHERS-KEY: what wpa_supplicant does, with keys that do not change.
	macsec() {
		local mac
		mac=$(ip -n "$2" -o link show dev eth2 | sed -E 's/.*ether ([^ ]+).*/\1/')
		ip -n "$1" link add link eth2 macsec0 type macsec encrypt on && ip -n "$1" macsec add macsec0 tx sa 0 pn 1 on key 01 "$3" &&
			ip -n "$1" macsec add macsec0 rx port 1 address "$mac" &&
			ip -n "$1" macsec add macsec0 rx port 1 address "$mac" sa 0 pn 1 on key 02 "$4" &&
			ip -n "$1" address add "192.168.5.${1#fw}/24" dev macsec0 && ip -n "$1" link set macsec0 up
	}
	ONE=00112233445566778899aabbccddeeff TWO=ffeeddccbbaa99887766554433221100
	check "firewall 1" macsec fw1 fw2 $ONE $TWO
	check "firewall 2" macsec fw2 fw1 $TWO $ONE
	for node in $FIREWALLS; do
		on "$node" nft add rule inet filter input iifname macsec0 udp dport 3781 accept
		knob "$node" peers ''
		knob "$node" syncdev macsec0
	done
	knob fw2 l2drop 2
	check "replication goes through it, by multicast and with l2drop" wait_until is fw2 synced 1
	knob fw2 l2drop 0
	check "a flow is replicated" replicates 3006
	both sysctl -qw net.netfilter.ct_sync.syncdev=
	both ip link delete macsec0
else
	note "this kernel has no macsec"
fi

note "a namespace with a name of its own"
for node in $FIREWALLS; do knob "$node" peers ''; done
# `ip netns exec router` of the example; a router of a name that both nodes have is in a folder of its own.
for node in $FIREWALLS; do
	mkdir -p "$TEMPORARY/$node/netns"
	touch "$TEMPORARY/$node/netns/router"
	check "the commands, ${node}" unshare --mount --propagation private sh -ec '
		mount --bind "/run/netns/$2" "$1/router"
		mount --rbind "$1" /run/netns
		. "$3"' sh "$TEMPORARY/$node/netns" "$node" "$EXAMPLES/commands/namespace"
done
check "replication is there" replicates 3005
finish
