#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every knob, under both folders: its default, values that it takes, values that it refuses; and the module's parameters.
#
#   (one machine; fw1 is a namespace with an interface `sync`)
#
# time: 240

. ./lib.sh
trap cleanup EXIT
FIREWALLS=''
NEW=/proc/sys/net/netfilter/ct_sync OLD=/proc/sys/net/ipv4/netfilter/ct_sync
ip netns add fw1
ip -n fw1 link set lo up
ip -n fw1 link add sync type veth peer name other
ip -n fw1 link set sync up

# Writes each line's file and text (Python literals) in one call, and answers with the errno's name or OK.
coproc WRITER { on fw1 python3 -c '
import ast, errno, os, sys
for line in sys.stdin:
    file, text = ast.literal_eval(line)
    handle = os.open(file, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
        print("OK", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
    os.close(handle)'; }

# try FILE TEXT: writes in one call, in fw1, and prints the errno's name, or OK.
try() {
	local answer
	printf '"%s", "%s"\n' "$1" "${2//$'\n'/\\n}" >&"${WRITER[1]}"
	read -r -t $((WAIT_SECONDS * SLOWNESS)) answer <&"${WRITER[0]}"
	echo "$answer"
}

# gives FILE TEXT: whether reading the file gives this one line.
gives() {
	local have
	have=$(on fw1 cat "$1" && echo .)
	printf '%s gives "%s", expected "%s"\n' "$1" "$have" "$2"
	[ "$have" = "$2"$'\n.' ]
}

# takes KNOB TEXT [SHOWN]: whether it can be written by one path and is then read by both.
takes() {
	local result
	result=$(try "$OLD/$1" "$2")
	echo "$1 <- '$2': $result"
	[ "$result" = OK ] && gives "$OLD/$1" "${3-$2}" && gives "$NEW/$1" "${3-$2}"
}

# lines_since MARK: what the module has logged since.
lines_since() { dmesg | sed "0,/$1/d" | grep 'ct_sync: '; }

# Has when the last write was refused, in microseconds; `check` runs its command in a subshell, from which no variable returns.
TEMPORARY=$(mktemp -d)
echo 0 >"$TEMPORARY/refused"

# refuses KNOB TEXT [ERRNO]: whether a write fails with the errno (default EINVAL), changes nothing and logs one line.
refuses() {
	local before after result mark=MARK$RANDOM$RANDOM lines last
	# The module writes 20 such lines in 5 s at most; a fast machine has to wait.
	read -r last <"$TEMPORARY/refused"
	until [ "${EPOCHREALTIME/./}" -gt $((last + 300000)) ]; do sleep 0.05; done
	echo "${EPOCHREALTIME/./}" >"$TEMPORARY/refused"
	before=$(on fw1 cat "$NEW/$1")
	echo $mark >/dev/kmsg
	result=$(try "$NEW/$1" "$2")
	after=$(on fw1 cat "$NEW/$1")
	lines=$(lines_since $mark)
	echo "$1 <- '${2:0:30}': $result, '$before' -> '$after', log: $lines"
	[ "$result" = "${3-EINVAL}" ] && [ "$before" = "$after" ] && [ "$(grep -c "$1" <<<"$lines")" = 1 ] &&
		[ "$(wc -l <<<"$lines")" = 1 ]
}

# number NAME MIN MAX DEFAULT: a knob that is a number.
number() {
	local name=$1 min=$2 max=$3 default=$4 bad
	check "$name is $default at first" gives "$NEW/$name" "$default"
	check "$name takes its largest value" takes "$name" "$max"
	check "$name takes its smallest value" takes "$name" "$min"
	for bad in $((min - 1)) $((max + 1)) word; do
		check "$name refuses '$bad'" refuses "$name" "$bad"
	done
	check "$name takes its default" takes "$name" "$default"
}

fails_to_write() { ! sh -c "echo 1 >$1" 2>/dev/null; }

modprobe ct_sync
check "both folders have the same knobs" diff <(on fw1 ls $NEW) <(on fw1 ls $OLD)
number l2drop 0 2 0
number notrack 0 1 1
number cmarkbit -1 31 -1
number node_id 0 4294967295 0
number cluster_id 0 4294967295 0
number port 1 65535 3781
number resync_rate 0 10000000 20000
number scrub_interval 0 86400 300
number counters_interval 0 86400 0
number backlog 0 16384 1024
number flush_us 0 1000000 1000
number heartbeat_ms 50 60000 1000
number tcp_grace 0 86400 120
for bad in '' ' ' '1 2' 0x '0x1g' 1.5 99999999999999999999 '+-1' '٣'; do
	check "a number refuses '$bad'" refuses port "$bad"
done
check "a number takes hexadecimal" takes port 0xEC5 3781
check "a number takes white space around it" takes port $' 3781 \n' 3781

check "syncdev is empty at first" gives $NEW/syncdev ''
for bad in a/b a:b . .. 'two words' 0123456789abcdef; do
	check "syncdev refuses '$bad'" refuses syncdev "$bad"
done
check "syncdev takes an interface" takes syncdev sync
check "replication runs" is fw1 running 1
check "syncdev takes an interface that is not there" takes syncdev 0123456789abcde
check "replication does not run" is fw1 running 0
check "syncdev takes nothing" takes syncdev $'\n' ''

check "group has a default" gives $NEW/group 224.0.0.254
check "group takes IPv4" takes group 239.1.2.3
check "group takes IPv6" takes group ff02::114
for bad in '' word 10.0.0.1 ::1 224.0.0.256 224.0.0.254/24 ff02::114%sync; do
	check "group refuses '$bad'" refuses group "$bad"
done
check "group takes its default" takes group 224.0.0.254

check "peers is empty at first" gives $NEW/peers ''
check "peers takes IPv4" takes peers 10.9.0.2
check "peers takes a list" takes peers $'10.9.0.1, 10.9.0.2\t10.9.0.3,' '10.9.0.1 10.9.0.2 10.9.0.3'
list6=$(for n in $(seq 10 25); do echo "2001:db8:1111:2222:3333:4444:5555:66$n"; done | paste -sd ' ')
check "peers takes 16 of the longest" takes peers "$list6"
for bad in word 10.9.0.256 10.9.0.2/24 224.0.0.254 255.255.255.255 0.0.0.0 127.0.0.1 :: ::1 ff02::1 fe80::1%sync \
	::ffff:10.9.0.2 '10.9.0.2 fd00:9::2' '10.9.0.2 10.9.0.3 10.9.0.2' "$list6 fd00::1"; do
	check "peers refuses '${bad:0:50}'" refuses peers "$bad"
done
check "peers takes nothing" takes peers '' ''

check "state is 0 at first" gives $NEW/state 0
check "state takes primary" takes state primary 1
check "state takes backup" takes state backup 0
check "state takes 1" takes state 1
check "state takes 0" takes state 0
check "state takes the historic 2" takes state 2 1
for bad in '' 3 -1 master 11; do
	check "state refuses '$bad'" refuses state "$bad"
done
check "state takes 0" takes state 0

check "synced cannot be written" fails_to_write $NEW/synced
check "resync cannot be read" bash -c "! cat $NEW/resync 2>/dev/null"
check "resync does nothing while there is no interface" test "$(try $NEW/resync 1)" = ENODEV
check "syncdev takes an interface" takes syncdev sync
check "resync works on a backup" test "$(try $NEW/resync 1)" = OK
check "a knob that is bad for what runs is refused" eval 'gives $NEW/port 3781'

long=$(printf '%01100d' 1)
check "a write that is too long is refused" test "$(try $NEW/cluster_id "$long")" = E2BIG
check "and changes nothing" gives $NEW/cluster_id 0
check "a write in pieces is refused" bash -c "! ip netns exec fw1 bash -c '{ printf 1 && printf 2; } >$NEW/cluster_id' 2>/dev/null"
check "but for its first piece" gives $NEW/cluster_id 1
check "reading in pieces works" test "$(on fw1 dd if=$NEW/group bs=1 status=none)" = 224.0.0.254
check "a namespace has knobs of its own" grep -qx 0 $NEW/cluster_id
check "sysctl knows them" test "$(on fw1 sysctl -n net.netfilter.ct_sync.group)" = 224.0.0.254

# Whether a change of role is in the log after more mistakes than fit there.
role_after_mistakes() {
	local mark=MARK$RANDOM$RANDOM lines _
	echo $mark >/dev/kmsg
	for _ in {1..40}; do try $NEW/state nonsense; done
	try $NEW/state 1
	lines=$(lines_since $mark)
	echo "$lines"
	[ "$(grep -c nonsense <<<"$lines")" -le 20 ] && grep -q 'ct_sync: now primary' <<<"$lines"
}
check "mistakes do not hide what happens" role_after_mistakes
eval "exec ${WRITER[1]}>&-"
modprobe -r ct_sync

# loads PARAMETER...: whether the module loads like this.
loads() { modprobe ct_sync "$@"; }

# is_refused NAME PARAMETER...: whether modprobe fails, and the log has one line with the name.
is_refused() {
	local name=$1 mark=MARK$RANDOM$RANDOM status=0 lines
	shift
	echo $mark >/dev/kmsg
	modprobe ct_sync "$@" || status=$?
	lines=$(dmesg | sed "0,/$mark/d" | grep -E 'ct_sync|parameter')
	echo "modprobe: $status, log: $lines"
	[ $status != 0 ] && [ ! -d /sys/module/ct_sync ] && [ "$(grep -c "$name" <<<"$lines")" = 1 ]
}

check "the module refuses l2drop=3" is_refused l2drop l2drop=3
check "the module refuses notrack=2" is_refused notrack notrack=2
check "the module refuses cmarkbit=32" is_refused cmarkbit cmarkbit=32
check "the module refuses cmarkbit=word" is_refused cmarkbit cmarkbit=word
check "the module refuses a name that no interface has" is_refused syncdev syncdev=a/b
check "the module refuses a name that is too long" is_refused syncdev syncdev=0123456789abcdef
ip link add sync type veth peer name other
ip link set sync up
check "the module takes all its parameters" loads syncdev=sync l2drop=1 notrack=0 cmarkbit=3
for pair in syncdev=sync l2drop=1 notrack=0 cmarkbit=3 state=0; do
	check "the initial namespace has $pair" grep -qx "${pair#*=}" $NEW/"${pair%=*}"
done
check "other namespaces have the defaults" gives $NEW/cmarkbit -1
check "the module can be asked for again" modprobe ct_sync
check "the old promotion works" eval 'echo 1 >/proc/sys/net/ipv4/netfilter/ct_sync/state'
check "it is primary" grep -qx 'role primary' /proc/net/ct_sync
check "the module unloads" modprobe -r ct_sync
check "both folders are gone" test ! -e $NEW -a ! -e $OLD
ip link delete sync
finish
