#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Real keepalived with examples/keepalived/keepalived.conf: a FIFO, a sync group, nopreempt, addresses of both families. Whatever happens
# to keepalived, its node or its cables, `state` is right on both nodes, and no connection is lost.
#
#   client ── fw1, fw2 ── server       see keepalived.bash
#
# quiet: yes
# time: 600

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

pair || exit
start_flows
flow listen server 7

# accepts FILE: whether keepalived takes an example and has nothing to say about it.
accepts() {
	local said
	said=$(on fw1 keepalived --config-test --use-file "$EXAMPLES/keepalived/$1" --log-console 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}
check "keepalived takes keepalived.conf" accepts keepalived.conf
check "keepalived takes notify.conf" accepts notify.conf

keepalived_start fw1
keepalived_start fw2
wait_until elected >/dev/null
elected >/dev/null
check "both booted at once: one is MASTER" roles $active MASTER $standby BACKUP
check "flows open" open_flows
[ $failures = 0 ] || { keepalived_logs; finish; }

keepalived_stop $active
check "keepalived is stopped: the other takes over" roles $standby MASTER $active STOPPED
check "the flows live" lives
swap
keepalived_start $standby
check "it is started again: it stays backup (nopreempt)" roles $active MASTER $standby BACKUP
check "the flows live" lives

keepalived_stop $active
keepalived_start $active
check "keepalived is restarted: roles are right" eval 'wait_until elected && elected && roles $active MASTER $standby BACKUP'
elected >/dev/null
check "the flows live" lives

# As systemd does: the first process only, which tells the other.
kill -HUP "$(keepalived_pids $active | sort -n | head -n 1)"
sleep 3
check "keepalived is reloaded: nothing changes" roles $active MASTER $standby BACKUP
check "the flows live" lives

keepalived_stop $active KILL
check "keepalived is killed: the other takes over" roles $standby MASTER $active STOPPED
check "the flows live" lives
swap
keepalived_start $standby
check "it is started again: it stays backup" roles $active MASTER $standby BACKUP
check "the flows live" lives

for network in lan wan; do
	cable $active $network down
	check "the cable to $network is cut: the other takes over" roles $standby MASTER $active FAULT
	check "the flows live" lives
	swap
	cable $standby $network up
	check "it is back: it stays backup" roles $active MASTER $standby BACKUP
	check "the flows live" lives
done

cut_off $active
check "the power fails: the other takes over" wait_until agrees $standby MASTER
check "the flows live" lives
swap
come_back $standby
check "it boots again: it is backup" roles $active MASTER $standby BACKUP
check "the flows live" lives
keepalived_stop $active
check "the one that came back takes over" roles $standby MASTER $active STOPPED
check "the flows live" lives
swap
keepalived_start $standby
check "and is followed" roles $active MASTER $standby BACKUP

keepalived_stop $standby
keepalived_stop $active
check "both are stopped: none is primary" eval 'wait_until agrees fw1 STOPPED && wait_until agrees fw2 STOPPED'
keepalived_start fw1
keepalived_start fw2
check "both are started: roles are right" eval 'wait_until elected && elected && roles $active MASTER $standby BACKUP'
check "the flows live" lives
[ $failures = 0 ] || keepalived_logs
finish
