#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 120
#
# Connections that others have announced: FTP, TFTP, SIP and PPTP through NAT. What was announced before a takeover may begin after it, and
# what has begun goes on; a control connection whose sequence numbers NAT has changed carries commands in both directions.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# NAT makes an announced address shorter where the client is .100, and longer where it is .5. Only what was announced may come in.
ruleset() {
	on "$1" nft -f - <<-EOF
		flush ruleset
		table inet filter {
			ct helper ftp { type "ftp" protocol tcp; }
			ct helper tftp { type "tftp" protocol udp; }
			ct helper sip { type "sip" protocol udp; }
			ct helper sip_tcp { type "sip" protocol tcp; }
			ct helper pptp { type "pptp" protocol tcp; }
			chain prerouting {
				type filter hook prerouting priority filter;
				tcp dport 21 ct helper set "ftp"
				udp dport 69 ct helper set "tftp"
				udp dport 5060 ct helper set "sip"
				tcp dport 5060 ct helper set "sip_tcp"
				tcp dport 1723 ct helper set "pptp"
			}
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established accept
				ct state invalid drop
				ct state related ct helper "ftp" accept
				ct state related ct helper "tftp" accept
				ct state related ct helper "sip" accept
				ct state related ct helper "pptp" accept
				iifname lan tcp dport { 21, 1723, 5060 } accept
				iifname lan udp dport { 69, 5060 } accept
				iifname wan ct status dnat tcp dport 21 accept
			}
		}
		table inet nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				iifname wan ip daddr $WAN.1 tcp dport 21 dnat ip to $LAN.5
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname wan ip saddr $LAN.0/24 snat ip to $WAN.1
				oifname wan ip6 saddr $LAN6:/64 snat ip6 to $WAN6:1
			}
		}
	EOF
}

# expectations NODE: what the node expects, one a line, without the time that is left.
expectations() {
	local family
	for family in ipv4 ipv6; do
		on "$1" conntrack -L expect -f $family 2>/dev/null
	done | sed -E "s/^[0-9]+ //" | sort
}
same_expectations() {
	expectations fw1
	[ "$(expectations fw1 | wc -l)" = "$1" ] && diff -U0 <(expectations fw1) <(expectations fw2)
}
same() { same_tables && same_expectations "$1"; }

# announced NODE COUNT: whether so many of the node's connections were announced by others.
announced() {
	local count
	count=$(on "$1" conntrack -L -u EXPECTED 2>/dev/null | wc -l)
	echo "$1: $count connections were announced, not $2"
	[ "$count" = "$2" ]
}

# move TO FROM: the other firewall takes over.
move() {
	knob "$2" state 0
	takeover "$1"
	knob "$1" state 1
}

for module in nf_nat_ftp nf_nat_tftp nf_nat_sip nf_nat_pptp nf_conntrack_pptp; do
	modprobe "$module" || skip "no $module"
done
topology
ip -n client address add $LAN.5/24 dev lan
ip -n client address add $LAN.100/24 dev lan
start_flows helpers.py
flow ftpd server
flow ftpd client
flow tftpd server
flow sipd server
flow pptpd server
check "ct_sync starts" start_ct_sync

check "control connections open" eval "flow ftp shorter client $SERVER $LAN.100 && flow ftp longer client $SERVER $LAN.5 &&
	flow ftp six client $SERVER6 && flow ftp six2 client $SERVER6 && flow ftp inbound server $WAN.1 && flow ftp lost client $SERVER $LAN.100 &&
	flow ftp fresh client $SERVER $LAN.100"
check "a data connection opens, active" flow active shorter
check "and carries" flow data shorter
check "a data connection opens, active, IPv6" flow active six
check "and carries" flow data six
check "a data connection is announced, active" flow active longer
check "a data connection is announced, passive, to behind NAT" flow passive inbound
check "a data connection is announced, passive, IPv6" flow passive six2
check "a TFTP transfer is announced" flow rrq tftp1 client $SERVER
check "a TFTP transfer has begun" eval "flow rrq tftp2 client $SERVER && flow answer tftp2"
check "a SIP call is announced" flow invite call client $SERVER
check "a SIP call is announced, TCP" flow invite call2 client $SERVER tcp $LAN.100
check "the backup has the connections and what they expect" wait_until same 8
check "it knows what was announced" announced fw2 3
on fw1 nft insert rule inet filter forward iifname wan tcp sport 21 drop
check "another one is announced, of which only the server hears" flow announce lost
check "the backup knows of that too" wait_until same_expectations 9
check "nothing was left out" eval "is fw1 expectations_not_sent 0 && is fw2 expectations_refused 0 &&
	is fw2 masters_missing 0 && is fw2 helpers_not_loaded 0"
# What it is expected for has no name, so the backup hears of the call when it has begun.
check "a PPTP call is set up" flow call tunnel client $SERVER
check "its packets pass" flow gre tunnel
check "the backup has the call" eval "wait_until same_tables && announced fw2 4"

move fw2 fw1
check "the first command of a connection is an announcement" flow active fresh
check "its data connection opens" flow data fresh
check "the retransmitted announcement is answered" flow answered lost
check "its data connection opens" flow data lost
check "a TFTP transfer that was answered once is answered again" flow answer tftp2
check "and acknowledged" flow acknowledge tftp2
check "data connections go on" flows echo shorter six
check "an announced one opens, active" flow data longer
check "an announced one opens, passive" flow data inbound
check "the TFTP transfer begins" eval "flow answer tftp1 && flow acknowledge tftp1"
check "an announced one opens, passive, IPv6" flow data six2
check "the call begins" flow rtp call
check "the call begins, TCP" flow rtp call2
check "it is announced again" flow reinvite call2
check "packets of the PPTP call pass" flow gre tunnel
check "commands are answered" flows noop shorter longer six six2 inbound lost fresh
check "data connections end" flows close shorter longer six six2 inbound lost fresh
check "others are announced" eval "flow active shorter && flow active longer && flow active six && flow passive six2 && flow passive inbound"
check "and open" flows data shorter longer inbound six six2
check "the first firewall is in step" wait_until is fw1 synced 1
check "the tables are equal" wait_until same_tables

ruleset fw1
move fw1 fw2
check "the first command after the second takeover is an announcement" flow active fresh
check "its data connection opens" flow data fresh
check "all goes on" flows echo shorter longer six six2 inbound
check "commands are answered" flows noop shorter longer six six2 inbound lost
check "the calls go on" eval "flow rtp call && flow rtp call2 && flow reinvite call2 && flow gre tunnel"
finish
