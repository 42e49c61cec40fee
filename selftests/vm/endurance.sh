#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# keepalived of the active node is restarted again and again, every 61 to 120 seconds, while people download, type and call: nothing may
# break. In check-long it is shortened to five restarts, 11 to 20 seconds apart. By hand, for some hours:
#
#   scripts/vm --time 9000 --memory 640 --payload selftests/vm --payload examples -- env HOURS=2 vm/endurance.sh
#
#   client ── fw1, fw2 ── server       see keepalived.bash
#
# long: yes
# time: 400

cd "$(dirname "$0")" || exit
. ./lib.sh
. ./flows.bash
. ./keepalived.bash

: "${HOURS:=0}"
end=$((SECONDS + HOURS * 3600)) restarts=5 pause=11 spread=10
[ "$HOURS" = 0 ] || restarts=1000000 pause=61 spread=60

pair || exit
export SERVER
start_flows traffic.py
keepalived_start fw1
keepalived_start fw2
wait_until elected >/dev/null
elected >/dev/null
check "one firewall is MASTER" roles $active MASTER $standby BACKUP
check "people begin" flow start

# Whether the restarted node has become backup of the other one.
changed() { agrees $standby MASTER && agrees $active BACKUP && is $active synced 1; }

number=0 wrong=0
while [ $number -lt $restarts ] && { [ "$HOURS" = 0 ] || [ $SECONDS -lt $end ]; }; do
	number=$((number + 1))
	sleep $((pause + RANDOM % spread))
	keepalived_stop $active
	keepalived_start $active
	if wait_until changed >/dev/null; then
		swap
	elif wait_until elected >/dev/null; then
		# Restarted before the other one had missed it.
		elected >/dev/null
	else
		wrong=$((wrong + 1))
		note "restart $number: $(changed 2>&1)"
	fi
	[ $((number % 10)) != 0 ] || note "$number restarts: $(flow progress)"
done
note "$number restarts: $(flow progress)"
check "roles were right after each restart" [ $wrong = 0 ]
check "no download, session or call was lost" flow report
for node in $FIREWALLS; do check "$node: no scrub had to correct anything" is $node scrub_corrections 0; done
[ $failures = 0 ] || keepalived_logs
finish
