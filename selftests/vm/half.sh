#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The pair of firewalls for which ct_sync was first made (HALF, 2003): two clients, NAT, stateful rules, a crossover cable, and a
# brutal power-off, again and again.
#
#   client .10  ──┐          ┌── fw1 ──┐          ┌── gateway .10 ── server 198.51.100.10
#                 ├─ switch ─┤    │    ├─ switch ─┘
#   client2 .11 ──┘          └── fw2 ──┘
#              192.168.1.254          192.168.2.254       see keepalived.bash
#
# quiet: yes
# time: 420

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

WORLD=198.51.100
# What keepalived.bash calls the server is the gateway here.
GATEWAY=$SERVER

# world: what is behind the gateway, and a second client.
world() {
	local node
	ip netns add client2
	ip netns delete server
	for node in gateway server; do
		ip netns add $node
		later $node link set lo up
	done
	later client2 link set lo up
	later switches link add world type bridge forward_delay 0 mcast_snooping 0
	later switches link set world up
	plug client2 eth0 lan $LAN.11/24
	plug gateway eth0 wan $GATEWAY/24
	plug gateway eth1 world $WORLD.1/24
	plug server eth0 world $SERVER/24
	later client2 route add default via $LAN.254
	later server route add default via $WORLD.1
	later gateway route add $LAN.0/24 via $WAN.254
	flush switches client2 gateway server
	on gateway sh -c "$(settings ipv4/ip_forward=1)"
	for node in $FIREWALLS; do ip -n "$node" route add default via $GATEWAY; done
}

pair || exit
SERVER=$WORLD.10
world
export SERVER
start_flows traffic.py
keepalived_start fw1
keepalived_start fw2
wait_until elected >/dev/null
elected >/dev/null
check "one firewall is MASTER" roles $active MASTER $standby BACKUP
check "two clients begin to download, to type and to call" flow start

# There is no way in that the clients have not opened.
check "nothing comes in from outside" eval '! on gateway ping -c 1 -W 1 $CLIENT && on client ping -c 1 -W 5 $GATEWAY'

for number in 1 2 3; do
	sleep 8
	cut_off $active
	check "power-off $number, of $active: $standby takes over" wait_until agrees $standby MASTER
	sleep 4
	swap
	come_back $standby
	check "it boots again and follows" roles $active MASTER $standby BACKUP
	note "$(flow progress)"
done
sleep 5
check "no download, session or call was lost" flow report
[ $failures = 0 ] || keepalived_logs
finish
