#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Protocols other than TCP, over IPv4 with SNAT and IPv6 without: what answers after a takeover comes through by the
# copy of the entry alone, since nothing from wan may open a flow.
#
#   client ── fw1, fw2 ── server

. ./lib.sh
. ./flows.bash

# Different from each other and longer than the test: an entry must have the timeout of its protocol and state.
TIMEOUTS='udp_timeout=1001 udp_timeout_stream=1002 icmp_timeout=1003 icmpv6_timeout=1004 gre_timeout=1005
	gre_timeout_stream=1006 generic_timeout=1007 sctp_timeout_closed=1010 sctp_timeout_cookie_wait=1020
	sctp_timeout_cookie_echoed=1030 sctp_timeout_established=1040 sctp_timeout_shutdown_sent=1050
	sctp_timeout_shutdown_recd=1060 sctp_timeout_shutdown_ack_sent=1070'

# lasts PROTOCOL SECONDS [PATTERN]: whether the new primary's entries of a protocol, in both families, have at most that
# timeout, and at least all but 60 s of it.
lasts() {
	local family
	for family in ipv4 ipv6; do
		on fw2 conntrack -L -f $family -p "$1" 2>/dev/null | grep -E -- "${3-}" |
			awk -v most="$2" '{print} {n++} $3 > most || $3 < most - 60 {bad = 1} END {exit bad || !n}' || return
	done
}

topology
quiet_nodes
start_flows segments.py
pairs=()
for pair in $TIMEOUTS; do pairs+=("netfilter/nf_conntrack_$pair"); done
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings "${pairs[@]}")"
done
check "ct_sync starts" start_ct_sync
ASSOCIATION='>INIT,<INIT_ACK,>COOKIE_ECHO,<COOKIE_ACK'
check "flows open" play udp '>' udp6 '>' udpstream '>,<' udpstream6 '>,<' icmp '>' icmp6 '>' icmpagain '>,<' icmpagain6 '>,<' \
	gre '>,<' gre6 '>' esp '>' esp6 '>,<' other '>,<' other6 '>' udplite '>' udplite6 '>,<'
check "associations open" play sctpclosed '>INIT' sctpclosed6 '>INIT' sctpwait '>INIT,<INIT_ACK' sctpwait6 '>INIT,<INIT_ACK' \
	sctpechoed "${ASSOCIATION%,*}" sctpechoed6 "${ASSOCIATION%,*}" sctpopen "$ASSOCIATION" sctpopen6 "$ASSOCIATION,<DATA,>DATA" \
	sctpsent "$ASSOCIATION,>SHUTDOWN" sctprecd "$ASSOCIATION,<SHUTDOWN" sctpacked "$ASSOCIATION,>SHUTDOWN,<SHUTDOWN_ACK" \
	sctpaborted "$ASSOCIATION" sctprepeated '>INIT,<INIT_ACK'
check "the tables are equal" wait_until same_tables

knob fw1 state 0
takeover fw2
knob fw2 state 1
check "errors about the flows come through" play udp '<toobig' udp6 '<toobig' udpstream '<toobig' udpstream6 '<toobig'
check "UDP is answered" play udp '<,>,<' udp6 '<,>,<' udpstream '<,>' udpstream6 '<,>'
check "ICMP is answered" play icmp '<,>,<' icmp6 '<,>,<' icmpagain '<,>,<' icmpagain6 '<,>,<'
check "GRE is answered" play gre '<,>,<' gre6 '<,>,<'
check "other protocols are answered" play esp '<,>,<' esp6 '<,>,<' other '<,>,<' other6 '<,>,<' udplite '<,>,<' udplite6 '<,>,<'
check "SCTP has kept its tags" play sctpopen '<DATA vtag=1 !,>DATA vtag=1 !' sctpopen6 '<DATA vtag=1 !,>DATA vtag=1 !' \
	sctpaborted '<ABORT vtag=1 !,<ABORT'
check "SCTP goes on" play sctpclosed '<INIT_ACK,>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA' \
	sctpclosed6 '<INIT_ACK,>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA' sctpwait '>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA' \
	sctpwait6 '<INIT_ACK,>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA' sctpechoed '<COOKIE_ACK,<DATA,>DATA' \
	sctpechoed6 '>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA' sctpopen '<DATA,>DATA' sctpopen6 '>DATA,<DATA,<HEARTBEAT' \
	sctpsent '<SHUTDOWN_ACK,>SHUTDOWN_COMPLETE' sctprecd '>SHUTDOWN_ACK,<SHUTDOWN_COMPLETE' sctpacked '>SHUTDOWN_COMPLETE'
check "an INIT that is repeated may be answered with another tag" play sctprepeated \
	'>INIT,<INIT_ACK tag=77,>COOKIE_ECHO,<COOKIE_ACK,<DATA,>DATA'

check "timeouts are GRE's" wait_until lasts gre 1006
check "GRE goes on when its timeouts are its own" play gre '<,>,<' gre6 '<,>,<'
check "timeouts are UDP's" lasts udp 1002 dport=7
check "timeouts are ICMP's" on fw2 sh -c 'conntrack -L -p icmp 2>/dev/null | awk "\$3 > 900 && \$3 <= 1003 {n++} END {exit n != 2}"'
check "timeouts are GRE's then, too" lasts gre 1006
check "timeouts are those of other protocols" lasts 253 1007
check "timeouts are SCTP's" lasts sctp 1040 ESTABLISHED
check "the first firewall is in step" wait_until is fw1 synced 1
check "the tables are equal again" wait_until same_tables fw2 fw1

knob fw2 state 0
takeover fw1
knob fw1 state 1
check "all are answered after another takeover" play udp '<' udp6 '<' udpstream '<' udpstream6 '<' icmp '<' icmp6 '<' gre '<' gre6 '<' \
	esp '<' esp6 '<' other '<' other6 '<' udplite '<' udplite6 '<' sctpclosed '<DATA' sctpwait6 '<DATA' sctpopen '<DATA' \
	sctprepeated '<DATA'
finish
