# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script here shares: where the cache is, how a step is announced, how host programs are found.
# Sourced, never run. Standard output belongs to the calling script's result; everything said to a
# person goes to standard error.

set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
REPO=$(dirname "$SCRIPTS")
CACHE=${CT_SYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ct_sync}
export SCRIPTS REPO CACHE
umask 022
mkdir -p "$CACHE/log" "$CACHE/lock"

# Says one line to the person who waits.
say() { printf '%s\n' "$*" >&2; }

# Ends with a sentence that says what to do.
die() { say "${0##*/}: $*"; exit 1; }

# Seconds between two lines in a log that say that a step is still under way.
TICK_SECONDS=60

# tick TEXT LOG QUIET: tells whoever waits that TEXT is under way, from QUIET seconds on: on a terminal how long, and the last line of
# LOG, on one line that moves; elsewhere a line now and then. Ends when it is killed, or the script has ended.
tick() {
	local text=$1 log=$2 quiet=$3 seconds=0 last nothing
	exec {nothing}<> <(:)
	[ "$quiet" != 0 ] || [ -t 2 ] || printf '%s ... ' "$text" >&2
	while kill -0 $$ 2>/dev/null; do
		if [ -t 2 ] && [ $seconds -ge "$quiet" ]; then
			last=$(tail -n 1 "$log" 2>/dev/null | tr -cd '[:print:]') || true
			last="$text ... $seconds s  $last"
			printf '\r\e[K%s' "${last:0:$((${COLUMNS:-80} - 1))}" >&2
		elif [ ! -t 2 ] && [ "$quiet" != 0 ] && [ $seconds = "$quiet" ]; then
			printf '%s ... ' "$text" >&2
		elif [ ! -t 2 ] && [ $seconds -gt "$quiet" ] && [ $((seconds % TICK_SECONDS)) = 0 ]; then
			printf '%s s so far\n%s ... ' "$seconds" "$text" >&2
		fi
		read -rt 1 -u "$nothing" || true
		seconds=$((seconds + 1))
	done
}

# under_way QUIET TEXT LOG COMMAND...: runs COMMAND with its output in the cache's LOG, and says meanwhile that TEXT is under way and at
# the end how many seconds it took; nothing at all when it takes less than QUIET seconds. The status is COMMAND's.
under_way() {
	local quiet=$1 text=$2 log=$CACHE/log/$3.log start=$SECONDS status=0 ticker end
	shift 3
	: >"$log"
	tick "$text" "$log" "$quiet" </dev/null >/dev/null &
	ticker=$!
	"$@" >"$log" 2>&1 </dev/null || status=$?
	kill $ticker 2>/dev/null || true
	wait $ticker 2>/dev/null || true
	end="$((SECONDS - start)) s"
	[ $status = 0 ] || end="failed after $end"
	[ $((SECONDS - start)) -ge "$quiet" ] || [ $status != 0 ] || return 0
	if [ -t 2 ]; then printf '\r\e[K%s ... %s\n' "$text" "$end" >&2; else say "$end"; fi
	return $status
}

# step TEXT LOG COMMAND...: announces TEXT, runs COMMAND with its output in the cache's LOG, and says how many
# seconds it took. On failure shows the end of the log and ends.
step() { under_way 0 "$@" || failed_step "$2"; }

# quick_step TEXT LOG COMMAND...: the same for what mostly has nothing to do: nothing is said of what takes less than three seconds.
quick_step() { under_way 3 "$@" || failed_step "$2"; }

failed_step() {
	tail -n 40 "$CACHE/log/$1.log" >&2
	die "the whole log is $CACHE/log/$1.log"
}

# locked NAME COMMAND...: runs COMMAND while no other process holds the cache's lock NAME.
locked() {
	local lock=$CACHE/lock/$1
	shift
	(
		flock -n 9 || { say "waiting for another run to finish ($lock)"; flock 9; }
		"$@"
	) 9>"$lock"
}

# Puts the packages of those programs of PROGRAM:PACKAGE... that this machine lacks into `missing`.
find_missing() {
	local pair
	missing=()
	for pair in "$@"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
	done
}

# need PROGRAM:PACKAGE...: installs the packages of the programs that this machine lacks, as root; else says how.
# Scripts that run at the same time may need the same.
need() {
	local missing
	find_missing "$@"
	[ ${#missing[@]} = 0 ] || locked host-packages install_missing "$@"
}

install_missing() {
	local missing
	find_missing "$@"
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "please install: ${missing[*]}"
	[ "$(id -u)" = 0 ] || die "please run: sudo apt-get install --no-install-recommends ${missing[*]}"
	step "installing on this machine: ${missing[*]}" host-packages install_host "${missing[@]}"
}

# Installs packages on this machine; refreshes the package lists only when they are too old to serve.
install_host() {
	local get="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
	$get "$@" || { apt-get update && $get "$@"; }
}

# First 12 hex digits of a hash over standard input; names what the cache keeps.
key() { sha256sum | cut -c1-12; }

# Removes a directory tree of the cache, also when its files belong to other ids of a user namespace.
remove_tree() {
	[ -e "$1" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		rm -rf --one-file-system "$1"
	else
		unshare --map-root-user --map-auto rm -rf --one-file-system "$1"
	fi
}

# Whether kernel $1 is a debug kernel (make check-debug), which is built here and with clang.
is_debug() { [[ $1 = *-debug ]]; }

# How many times longer than with the distribution's kernel anything may take with kernel $1.
slowness() { if is_debug "$1"; then echo 5; else echo 1; fi; }

# enter_for KVER COMMAND...: runs COMMAND inside the build root that has the tools of kernel KVER.
enter_for() {
	local root=''
	! is_debug "$1" || root=$("$SCRIPTS/buildroot" --debug)
	shift
	BUILDROOT=$root "$SCRIPTS/enter" "$@"
}

# kernel_make KVER ARGUMENT...: runs make with the tools of kernel KVER.
kernel_make() {
	local kver=$1 tools=(CC=gcc-14 HOSTCC=gcc-14)
	shift
	! is_debug "$kver" || tools=(LLVM=-19)
	enter_for "$kver" make "${tools[@]}" KERNELRELEASE="$kver" "$@"
}
