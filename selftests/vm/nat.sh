#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 180
#
# Source and destination NAT, both at once, hairpin, masquerade and port ranges, in IPv4 and IPv6: the backup has the same entries,
# and the flows pass through it after a takeover. A redirected flow ends on the node: it is not replicated.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# What NAT does is chosen by the port at the client for flows from it, and by the destination port for flows to it.
ruleset() {
	on "$1" nft -f - <<-EOF
		flush ruleset
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				iifname wan ip daddr $WAN.1 tcp dport { 8001, 8002 } dnat to $CLIENT:7
				iifname wan ip daddr $WAN.1 udp dport 8001 dnat to $CLIENT:7
				iifname lan tcp dport 8003 redirect to :9
				iifname lan ip daddr $WAN.1 tcp dport 8004 dnat to $CLIENT:7
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan tcp sport 2001 snat to $WAN.1
				oifname wan tcp sport 2002 snat to $WAN.1:3000-3010
				oifname wan tcp sport 2003 masquerade
				oifname wan udp sport 2001 snat to $WAN.1:3000-3010
				oifname lan tcp sport { 8102, 8104 } snat to $LAN.1
			}
		}
		table ip6 nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				iifname wan ip6 daddr $WAN6:1 tcp dport { 8001, 8002 } dnat to [$CLIENT6]:7
				iifname wan ip6 daddr $WAN6:1 udp dport 8001 dnat to [$CLIENT6]:7
				iifname lan tcp dport 8003 redirect to :9
				iifname lan ip6 daddr $WAN6:1 tcp dport 8004 dnat to [$CLIENT6]:7
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan tcp sport 2001 snat to $WAN6:1
				oifname wan tcp sport 2002 snat to [$WAN6:1]:3000-3010
				oifname wan tcp sport 2003 masquerade
				oifname wan udp sport 2001 snat to [$WAN6:1]:3000-3010
				oifname lan tcp sport { 8102, 8104 } snat to $LAN6:1
			}
		}
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established accept
				ct state invalid drop
				meta l4proto { tcp, udp } accept
			}
		}
	EOF
}

# open_kind KIND: opens the flow of a kind in both families.
open_kind() {
	case $1 in
	snat) flow open snat4 client tcp $SERVER 7 2001 && flow open snat6 client tcp $SERVER6 7 2001 ;;
	range) flow open range4 client tcp $SERVER 7 2002 && flow open range6 client tcp $SERVER6 7 2002 ;;
	masquerade) flow open masquerade4 client tcp $SERVER 7 2003 && flow open masquerade6 client tcp $SERVER6 7 2003 ;;
	dnat) flow open dnat4 server tcp $WAN.1 8001 8101 && flow open dnat6 server tcp $WAN6:1 8001 8101 ;;
	both) flow open both4 server tcp $WAN.1 8002 8102 && flow open both6 server tcp $WAN6:1 8002 8102 ;;
	hairpin) flow open hairpin4 client tcp $WAN.1 8004 8104 && flow open hairpin6 client tcp $WAN6:1 8004 8104 ;;
	udp-snat) flow open udp-snat4 client udp $SERVER 7 2001 && flow open udp-snat6 client udp $SERVER6 7 2001 ;;
	udp-dnat) flow open udp-dnat4 server udp $WAN.1 8001 8101 && flow open udp-dnat6 server udp $WAN6:1 8001 8101 ;;
	esac && echo_kind "$1"
}

echo_kind() { flows echo "$1"4 "$1"6; }

# What the reply of each kind must look like on the backup.
declare -A REPLY=(
	[snat]="src=SERVER dst=WAN sport=7 dport=2001"
	[range]="src=SERVER dst=WAN sport=7 dport=30(0[0-9]|10)"
	[masquerade]="src=SERVER dst=WAN sport=7 dport=2003"
	[dnat]="src=CLIENT dst=SERVER sport=7 dport=8101"
	[both]="src=CLIENT dst=LAN sport=7 dport=8102"
	[hairpin]="src=CLIENT dst=LAN sport=7 dport=8104"
	[udp-snat]="src=SERVER dst=WAN sport=7 dport=30(0[0-9]|10)"
	[udp-dnat]="src=CLIENT dst=SERVER sport=7 dport=8101"
)

# replicated KIND: whether the backup has the entries of a kind with their NAT.
replicated() {
	local reply=${REPLY[$1]} reply4 reply6 protocol='tcp .*ESTABLISHED'
	[[ $1 != udp-* ]] || protocol=udp
	reply4=${reply/SERVER/$SERVER} reply4=${reply4/CLIENT/$CLIENT} reply4=${reply4/WAN/$WAN.1} reply4=${reply4/LAN/$LAN.1}
	reply6=${reply/SERVER/$SERVER6} reply6=${reply6/CLIENT/$CLIENT6} reply6=${reply6/WAN/$WAN6:1} reply6=${reply6/LAN/$LAN6:1}
	has fw2 "ipv4 .*$protocol .* $reply4 " && has fw2 "ipv6 .*$protocol .* $reply6 "
}

# same_but_redirected: whether the tables are equal, if what ends on fw1 is left out.
same_but_redirected() { diff -U0 <(table fw1 | grep -v dport=8003) <(table fw2); }

KINDS='snat range masquerade dnat both hairpin udp-snat udp-dnat'

topology
# Masquerade takes the virtual address when the node has no other, and its entries die with that address.
for node in $FIREWALLS; do
	ip -n "$node" address flush dev wan scope global
	# A slow machine comes to look at some flows after half a minute.
	on "$node" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600
done
takeover fw1
start_flows
flow listen server 7
flow listen client 7
flow listen fw1 9
check "ct_sync starts" start_ct_sync
for kind in $KINDS; do
	check "flows open: $kind" open_kind "$kind"
done
check "redirect to the node opens" flow open redirect4 client tcp $SERVER 8003 2004
check "redirect to the node opens, IPv6" flow open redirect6 client tcp $SERVER6 8003 2004
check "redirected flows pass" flows echo redirect4 redirect6
for kind in $KINDS; do
	check "the backup has: $kind" wait_until replicated "$kind"
done
check "redirected flows are on the primary" has fw1 "sport=2004 dport=8003"
check "the tables are equal but for them" wait_until same_but_redirected
check "NAT was the primary's own" is fw2 entries_nat_diverged 0

# remark KIND: sets the mark of the flows of a kind, on the primary.
remark() {
	on fw1 conntrack -U -p tcp --orig-port-src "$1" --mark 5 >/dev/null 2>&1
	on fw1 conntrack -U -f ipv6 -p tcp --orig-port-src "$1" --mark 5 >/dev/null 2>&1
}

# both_marked PORT: whether the backup's flows from a port, of both families, have the mark.
both_marked() { has fw2 "ipv4 .*sport=$1 .*mark=5" && has fw2 "ipv6 .*sport=$1 .*mark=5"; }

inserted=$(value fw2 entries_inserted)
for port in 2001 2003 8101 8102; do
	remark $port
	check "an entry with NAT is updated: port $port" wait_until both_marked $port
done
check "it was an update each time" is fw2 entries_inserted "$inserted"

knob fw1 state 0
takeover fw2
knob fw2 state 1
for kind in $KINDS; do
	check "flows pass after the takeover: $kind" echo_kind "$kind"
done
check "nothing of the redirected flows is on the new primary" hasnt fw2 "dport=8003"
check "the old primary is in step" wait_until is fw1 synced 1
check "the tables are equal again" wait_until same_but_redirected
finish
