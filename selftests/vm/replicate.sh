#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A connection of each kind through the primary is in the backup's table with its NAT, and goes when it ends.
#
#   client ── fw1 (primary), fw2 (backup) ── server

. ./lib.sh || exit
topology

check "ct_sync starts" start_ct_sync

on server socat -u TCP4-LISTEN:7,fork,reuseaddr OPEN:/dev/null &
on server socat -u UDP4-RECVFROM:7,fork OPEN:/dev/null &
on server socat -u TCP6-LISTEN:7,ipv6only=1,fork,reuseaddr OPEN:/dev/null &
wait_until on server sh -c 'ss -Hlnt "sport = 7" | grep -q 0.0.0.0'

on client sleep infinity | on client socat -u STDIN TCP4:$SERVER:7 &
check "TCP with SNAT is on the primary" wait_until has fw1 "tcp.*ESTABLISHED src=$CLIENT .*dst=$WAN.1 .*ASSURED"
check "TCP with SNAT is on the backup" wait_until has fw2 "tcp.*ESTABLISHED src=$CLIENT .*dst=$WAN.1 .*ASSURED"

on client bash -c "echo x >/dev/udp/$SERVER/7"
check "UDP is on the backup" wait_until has fw2 "udp.*src=$CLIENT"

on client ping -c 1 -W 2 $SERVER >/dev/null
check "ICMP is on the backup" wait_until has fw2 "icmp.*src=$CLIENT"

on client ping -6 -c 1 -W 2 $SERVER6 >/dev/null
check "ICMPv6 is on the backup" wait_until has fw2 "icmpv6.*src=$CLIENT6"

on client sleep infinity | on client socat -u STDIN "TCP6:[$SERVER6]:7" &
check "TCP over IPv6 is on the backup" wait_until has fw2 "tcp.*ESTABLISHED src=$CLIENT6 "

check "the tables are equal" wait_until same_tables

on fw1 conntrack -D -p tcp -f ipv4 >/dev/null 2>&1
check "what is deleted on the primary goes on the backup" wait_until hasnt fw2 "ipv4.*tcp"
check "the tables are equal at the end" wait_until same_tables
finish
