#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/install.sh KVER   tests `make KDIR= install` and DKMS with the distribution's headers package; writes TAP
#
# The root is the one in which packages are made, which has dkms. What is written there goes to layers in build/install-test, so it
# stays as it is. The Rust metadata is that which the module is built with anyway.

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

KVER=$1
VERSION=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$REPO/dkms.conf")
HEADERS=/lib/modules/$KVER/build
SCRATCH=$REPO/build/install-test
"$SCRIPTS/kernel-tree" "$KVER" >/dev/null
ROOT=$("$SCRIPTS/buildroot" --packaging)

# inside COMMAND...: runs COMMAND in the root, where these folders have a layer above them, and where the trees that dkms takes are those
# of $TREES.
TREES=$CACHE
LAYERS=(usr/src usr/lib/modules var/lib/dkms)
inside() {
	BUILDROOT=$ROOT "$SCRIPTS/enter" bash -c 'scratch=$1 layers=$2 trees=$3
		shift 3
		mkdir -p "$trees" /var/cache/ct_sync && mount --bind "$trees" /var/cache/ct_sync || exit
		for layer in $layers; do
			mkdir -p "/$layer" "$scratch/$layer/upper" "$scratch/$layer/work"
			mount -t overlay -o "lowerdir=/$layer,upperdir=$scratch/$layer/upper,workdir=$scratch/$layer/work" overlay "/$layer" || exit
		done
		exec "$@"' inside "$SCRATCH" "${LAYERS[*]}" "$TREES" "$@"
}

dkms() { inside dkms "$@"; }

# refuses TEXT COMMAND...: whether COMMAND fails and says TEXT.
refuses() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) && { echo "it succeeded"; return 1; }
	printf '%s\n' "$output"
	grep -qF -- "$text" <<<"$output"
}

# What the package of the source for DKMS has, where that one has it.
add_source() {
	(cd "$REPO" && tar -cf - Kbuild Makefile dkms.conf rust scripts/preflight scripts/abi.awk packaging/dkms/tree) |
		inside sh -c 'mkdir -p "$1" && tar -xf - -C "$1" --no-same-owner' sh "/usr/src/ct_sync-$VERSION"
}

# The log of the build that failed has the sentence; where that is, dkms says.
build_without_source() {
	inside sh -c 'rm -f /usr/src/linux-source-*'
	TREES=$SCRATCH/empty dkms build "ct_sync/$VERSION" -k "$KVER"
	inside cat "/var/lib/dkms/ct_sync/$VERSION/build/make.log"
	return 1
}

# With what the headers package has, and nothing else.
build_without_trees() { TREES=$SCRATCH/empty dkms build "ct_sync/$VERSION" -k "$KVER" && [ -z "$(ls "$SCRATCH/empty")" ]; }

# What contrib/debian-linux-headers-rust.patch adds to the headers package, from the tree that the module is built with.
add_metadata() {
	local tree
	tree=$("$SCRIPTS/kernel-tree" "$KVER")
	inside sh -ec 'mkdir "$2/rust" && cp "$1"/rust/*.rmeta "$1"/rust/*.so "$1/scripts/target.json" "$2/rust/"
		cd "$2" && common=$(sed -n "s/^include \(.*\)\/Makefile/\1/p" Makefile) && cd "$common"
		sed -n "s/^+//; /^--- a\/arch/,\$p" "$3" | patch -p1' sh "$tree" "$HEADERS" "$REPO/contrib/debian-linux-headers-rust.patch"
}

# Where the files are that dkms installs for the kernel.
installed() { find "$SCRATCH/usr/lib/modules/upper/$KVER" -name 'ct_sync.ko*' | grep .; }

rm -rf "$SCRATCH" "$REPO/ct_sync.ko"
mkdir -p "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT

check "make builds for a headers package and installs into another root" \
	inside make -s KDIR="$HEADERS" INSTALL_MOD_PATH="$SCRATCH/root" install
check "modprobe finds it there" \
	inside sh -c 'modprobe --dirname "$1" --set-version "$2" --show-depends ct_sync | grep /updates/ct_sync.ko' sh "$SCRATCH/root" "$KVER"
check "modprobe loads ctnetlink before it" grep -q "^softdep ct_sync pre: nf_conntrack_netlink" \
	"$SCRATCH/root/lib/modules/$KVER/modules.softdep"
check "without KDIR make says what to give" refuses "KDIR=" make -s -C "$REPO" install

add_source
check "dkms adds the source" dkms add "ct_sync/$VERSION"
check "dkms builds" dkms build "ct_sync/$VERSION" -k "$KVER"
check "dkms installs" dkms install "ct_sync/$VERSION" -k "$KVER"
check "the module is there" installed
check "modprobe finds it" inside sh -c 'modprobe --set-version "$1" --show-depends ct_sync | grep /updates/' sh "$KVER"
check "dkms uninstalls" dkms uninstall "ct_sync/$VERSION" -k "$KVER"
check "the module has gone" sh -c '! find "$1" -name "ct_sync.ko*" | grep .' sh "$SCRATCH/usr/lib/modules/upper"
check "dkms unbuilds" dkms unbuild "ct_sync/$VERSION" -k "$KVER"
check "without the kernel's source dkms says what to install" refuses "apt install linux-source-" build_without_source
check "the patch for Debian's headers package applies" add_metadata
check "with it, dkms builds from the headers alone" build_without_trees "ct_sync/$VERSION" -k "$KVER"
check "dkms removes" dkms remove "ct_sync/$VERSION" --all
conclude
