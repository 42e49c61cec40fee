#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Real keepalived with examples/keepalived/notify.conf: a script for each change, preemption, and `synced` as a part of the priority.
# fw1 is preferred; whenever it can, it takes over again, but not before it has the table.
#
#   client ── fw1, fw2 ── server       see keepalived.bash
#
# quiet: yes
# time: 300

. ./lib.sh
. ./flows.bash
. ./keepalived.bash

pair notify.conf || exit
configure fw1 "$CONF" 's/priority 100 .*/priority 120/'
start_flows
flow listen server 7

keepalived_start fw1
keepalived_start fw2
check "both booted at once: the preferred one is MASTER" roles fw1 MASTER fw2 BACKUP
check "flows open" open_flows
[ $failures = 0 ] || { keepalived_logs; finish; }

keepalived_stop fw1
check "keepalived is stopped: the other takes over" roles fw2 MASTER fw1 STOPPED
check "the flows live" lives
keepalived_start fw1
check "it is started again: it takes over (preemption)" roles fw1 MASTER fw2 BACKUP
check "the flows live" lives

cable fw1 lan down
check "the cable of the VRRP network is cut: the other takes over" roles fw2 MASTER fw1 FAULT
check "the flows live" lives
cable fw1 lan up
check "it is back: it takes over again" roles fw1 MASTER fw2 BACKUP
check "the flows live" lives
cable fw1 wan down
check "the cable of the other network is cut: the other takes over" roles fw2 MASTER fw1 FAULT
check "the flows live" lives
cable fw1 wan up
check "it is back: it takes over again" roles fw1 MASTER fw2 BACKUP
check "the flows live" lives

cut_off fw1
check "the power of the preferred one fails: the other takes over" wait_until agrees fw2 MASTER
check "the flows live" lives
come_back fw1 "lan wan"
check "it boots again, and has not got the table: it waits" eval '
	wait_until agrees fw1 BACKUP && sleep 6 && agrees fw1 BACKUP && is fw1 synced 0 && agrees fw2 MASTER'
cable fw1 sync up
check "until it has the table: then it takes over" roles fw1 MASTER fw2 BACKUP
check "the flows live" lives

note "what a script cannot do: keepalived is killed"
keepalived_stop fw1 KILL
check "the other takes over" wait_until agrees fw2 MASTER
check "the one that was killed still says that it is primary" is fw1 role primary
keepalived_start fw1
check "it is started again: roles are right" roles fw1 MASTER fw2 BACKUP
[ $failures = 0 ] || keepalived_logs
finish
