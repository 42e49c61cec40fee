#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# time: 90
#
# Labels, the security mark, the start, a timeout policy, a fixed timeout; also a flow whose prefix is translated (NPTv6 of
# nft, which is NAT in conntrack). The backup has them, and they have their effect on packets after a takeover.
#
#   client ── fw1 (then fw2) ── server

. ./lib.sh || exit
. ./flows.bash

# conntrack shows labels by name only.
mkdir -p /etc/xtables
TEMPORARY=/etc/xtables/connlabel.conf
printf '10 ten\n100 hundred\n' >$TEMPORARY

# By source port: 1001 has a label from its first packet and another from its first data, 1002 a timeout policy, 1003 a
# security mark, and the prefix of all over IPv6 is translated. The policy is on fw1 only.
OUTER6=2001:db8:22:
attributes() {
	local policy=''
	[ "$1" != fw1 ] || policy='
		ct timeout long { protocol tcp; l3proto ip; policy = { established: 4321, fin_wait: 77, time_wait: 77 }; }
		chain policies {
			type filter hook prerouting priority mangle;
			iifname lan tcp sport 1002 ct timeout set "long"
		}'
	on "$1" nft -f - <<-EOF
		table inet attributes {
			secmark tag { "unconfined" }
			$policy
			chain marks {
				type filter hook prerouting priority mangle;
				iifname lan tcp sport 1001 ct state new ct label set 10
				iifname lan tcp sport 1001 tcp flags & psh == psh ct label set 100
				iifname lan tcp sport 1003 ct state new meta secmark set "tag" ct secmark set meta secmark
			}
			chain prefix {
				type nat hook postrouting priority srcnat;
				oifname wan ip6 saddr $LAN6:/64 snat ip6 prefix to $OUTER6:/64
			}
			chain labels {
				type filter hook forward priority 10;
				iifname wan ct label 10 ct label 100 counter
			}
			chain contexts {
				type filter hook forward priority 10;
				iifname wan tcp dport 1003 meta mark set ct secmark meta mark != 0 counter
			}
		}
	EOF
}

# entry NODE PORT [OPTIONS]: the entry from a source port, as conntrack shows it with these options.
entry() { on "$1" conntrack -L -p tcp --orig-port-src "$2" "${@:3}" 2>/dev/null; }

# What matches PATTERN of the entry from a port is on both nodes, and the same.
same() {
	local pattern=$1 first second
	shift
	first=$(entry fw1 "$@" | grep -oE "$pattern")
	second=$(entry fw2 "$@" | grep -oE "$pattern")
	echo "fw1: '$first', fw2: '$second'"
	[ -n "$first" ] && [ "$first" = "$second" ]
}

# Whether an entry on NODE has both labels.
has_labels() { entry "$1" 1001 -o labels | grep -E 'labels=.*ten.*hundred|labels=.*hundred.*ten'; }

# Packets that a chain of fw2 has counted.
passed() { on fw2 nft list chain inet attributes "$1" | grep -oE 'packets [0-9]+' | cut -d ' ' -f 2; }

# timeout NODE PORT MIN MAX: whether the entry from a port expires within these seconds.
timeout_in() {
	local seconds
	seconds=$(entry "$1" "$2" | awk '{print $3}')
	echo "expires in '$seconds' s"
	[ "${seconds:-0}" -ge "$3" ] && [ "$seconds" -le "$4" ]
}

topology
for node in $FIREWALLS; do
	on "$node" sh -c "$(settings netfilter/nf_conntrack_timestamp=1)"
	check "$node has the rules" attributes "$node"
done
ip -n server route add $OUTER6:/64 via $WAN6:1
start_flows
flow listen server 7
check "a flow opens before ct_sync starts" flow open early client tcp $SERVER 7 1000
sleep 1.5
check "ct_sync starts" start_ct_sync
check "its start is the primary's" wait_until same '\[start=[^]]*\]' 1000 -o ktimestamp
for port in 1001 1002 1003 1004; do
	check "a flow opens: $port" flow open "f$port" client tcp $SERVER 7 $port
done
check "a flow opens whose prefix is translated" flow open prefix client tcp $SERVER6 7 1006
ALL='f1001 f1002 f1003 f1004 prefix'
# shellcheck disable=SC2086 # a list of words
check "flows pass" flows echo $ALL
check "one gets a fixed timeout" \
	on fw1 conntrack -U -p tcp --orig-port-src 1004 -t 999 -u SEEN_REPLY,ASSURED,FIXED_TIMEOUT
check "the backup has the prefix" wait_until has fw2 "src=$SERVER6 dst=$OUTER6:10 sport=7 dport=1006"
check "labels" wait_until same 'labels=.*' 1001 -o labels
check "both of them" wait_until has_labels fw2
check "security mark" wait_until same 'secctx=[^ ]*' 1003
check "fixed timeout" wait_until timeout_in fw2 1004 900 999
check "the start of a flow that was opened later" same '\[start=[^]]*\]' 1003 -o ktimestamp
check "the tables are equal" wait_until same_tables
served=$(value fw1 resyncs_served)
knob fw1 scrub_interval 1
check "several scrubs pass" wait_until at_least fw1 resyncs_served $((served + 2))
check "they find nothing to correct" uncorrected fw2
lost() { on fw2 grep -E '^(extensions_lost|timeout_policies_lost|secmarks_lost) [^0]' /proc/net/ct_sync; }
check "nothing was lost" cant lost

knob fw1 state 0
takeover fw2
knob fw2 state 1
# shellcheck disable=SC2086
check "flows pass after the takeover" flows echo early $ALL
check "rules see the labels" [ "$(passed labels)" -gt 0 ]
check "and the security mark" [ "$(passed contexts)" -gt 0 ]
check "the policy sets the timeout" wait_until timeout_in fw2 1002 4300 4321
check "and that of this flow only" timeout_in fw2 1001 400000 432000
check "packets leave a fixed timeout as it was" timeout_in fw2 1004 900 999
check "the old primary is in step" wait_until is fw1 synced 1
check "the tables are equal again" wait_until same_tables
knob fw2 state 0
takeover fw1
knob fw1 state 1
# shellcheck disable=SC2086
check "flows pass after the way back" flows echo early $ALL
check "the policy still counts" wait_until timeout_in fw1 1002 4300 4321
check "a flow with a policy ends" flow finish f1002
check "its policy has a timeout for that" wait_until timeout_in fw1 1002 61 77

# AppArmor takes two locks of one class to make a namespace, without a word to lockdep, which gives up then.
[ ! -e /proc/lockdep_stats ] || finish

note "a security context that is too long to be sent; it is valid, since there is such a namespace of AppArmor"
SECURITY=/sys/kernel/security
printf -v LONG '%070d' 7
NAMESPACE=$SECURITY/apparmor/policy/namespaces/$LONG
trap 'rmdir "$NAMESPACE"; umount "$SECURITY"; cleanup' EXIT
mount -t securityfs security $SECURITY
mkdir "$NAMESPACE"
check "a rule gives it" on fw1 nft -f - <<-EOF
	table inet long {
		secmark long { ":$LONG://unconfined" }
		chain long {
			type filter hook prerouting priority mangle;
			iifname lan tcp sport 1007 ct state new meta secmark set "long" ct secmark set meta secmark
		}
	}
EOF
check "a flow opens that has it" flow open long client tcp $SERVER 7 1007
long() { entry "$1" 1007 | grep -F "secctx=:$LONG:unconfined"; }
check "it does have it" long fw1
check "the backup has the flow" wait_until eval 'entry fw2 1007 | grep ASSURED'
check "without it" cant long fw2
check "it is counted" at_least fw1 secmarks_unsent 1
finish
