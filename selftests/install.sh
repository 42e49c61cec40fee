#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/install.sh KVER   tests `make KDIR= install` and dkms.conf, in a scratch root and in the build root
#
# Uses the tree that the module is built against anyway; writes TAP.

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

KVER=$1
TREE=$("$SCRIPTS/kernel-tree" "$KVER")
HEADERS=/lib/modules/$KVER/build
SCRATCH=$REPO/build/install-test

inside() { "$SCRIPTS/enter" "$@"; }

# The command that dkms runs, with what it knows of a kernel.
dkms_build() {
	local kernel_source_dir=$1 MAKE
	# shellcheck source=dkms.conf
	. "$REPO/dkms.conf"
	# shellcheck disable=SC2086 # dkms splits it into words as well
	inside env CC=gcc-14 KERNELRELEASE="$KVER" ${MAKE[0]}
}

# refuses TEXT COMMAND...: whether COMMAND fails and says TEXT.
refuses() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) && { echo "it succeeded"; return 1; }
	printf '%s\n' "$output"
	grep -qF -- "$text" <<<"$output"
}

rm -rf "$SCRATCH" "$REPO/ct_sync.ko"
mkdir -p "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT

check "dkms builds" dkms_build "$TREE"
check "the module is where dkms looks for it" test -s "$REPO/ct_sync.ko"
check "dkms stops at a headers package, with a sentence" refuses "has no Rust metadata" dkms_build "$HEADERS"
check "it installs into another root" inside make -s KDIR="$TREE" CC=gcc-14 INSTALL_MOD_PATH="$SCRATCH" install
check "modprobe finds it there" \
	inside sh -c 'modprobe --dirname "$1" --set-version "$2" --show-depends ct_sync | grep /updates/ct_sync.ko' sh "$SCRATCH" "$KVER"
check "modprobe loads ctnetlink before it" grep -q "^softdep ct_sync pre: nf_conntrack_netlink" \
	"$SCRATCH/lib/modules/$KVER/modules.softdep"
check "without KDIR it says what to give" refuses "KDIR=" make -s -C "$REPO" install
conclude
