#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The quickstart as it stands: its files where it says, its commands as they are typed, and those of upgrading.rst.
#
# `systemctl restart keepalived` is done by the test when it was asked for. The module is one for all nodes of a machine, so
# `modprobe -r` of a node only makes ct_sync leave that node.
#
#   client ── fw1, fw2 ── server       see keepalived.bash
#
# quiet: yes
# time: 200

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

# typed NODE FILE: types the commands of an example on a node; "restart" is there afterwards when keepalived should be restarted.
typed() {
	rm -f "$TEMPORARY/restart"
	on "$1" env asked="$TEMPORARY/restart" sh -c '
		systemctl() { [ "$*" = "restart keepalived" ] && : >"$asked"; }
		modprobe() { [ "$1" != -r ] || sysctl -q -w net.netfilter.ct_sync.syncdev=; }
		. "$1"' sh "$EXAMPLES/commands/$2"
}

# restarted NODE: does what systemctl was asked for.
restarted() {
	[ -e "$TEMPORARY/restart" ] || return
	[ -z "$(keepalived_pids "$1")" ] || keepalived_stop "$1"
	keepalived_start "$1"
}

sh "$EXAMPLES/commands/parameters"
check "commands/parameters sets the knobs" [ "$(cat /proc/sys/net/netfilter/ct_sync/{syncdev,l2drop} | paste -sd ' ')" = "eth2 1" ]
modprobe -r ct_sync
install -D -m 644 -t /etc/sysctl.d "$EXAMPLES"/sysctl.d/*.conf
install -m 644 "$EXAMPLES/nftables/firewall.nft" /etc/nftables.conf
boot() { :; }
pair || exit
start_flows
flow listen server 7
for node in $FIREWALLS; do
	check "$node: commands/start" typed "$node" start
	restarted "$node"
done
wait_until elected >/dev/null
elected >/dev/null
check "one is MASTER, the other has its table" roles $active MASTER $standby BACKUP
check "flows open" open_flows
wait_until same_tables $active $standby >/dev/null

looks() {
	local said
	said=$(typed $standby look) || return
	echo "$said"
	[ "$(sed -n 1p <<<"$said")" = 0 ] && [ "$(sed -n 2p <<<"$said")" = 1 ] && grep -q "src=$CLIENT dst=$SERVER" <<<"$said" &&
		grep -q "^peer .*role=primary" <<<"$said"
}
check "commands/look shows what the quickstart says" looks
check "commands/upgrade-backup ends with a synced backup" eval 'typed $standby upgrade-backup && is $standby synced 1'
check "it does nothing on a primary" eval 'typed $active upgrade-backup; is $active role primary'
check "commands/change-roles" typed $active change-roles
restarted $active
check "the other is MASTER now" roles $standby MASTER $active BACKUP
check "the flows live" lives
[ $failures = 0 ] || keepalived_logs
finish
