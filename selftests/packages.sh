#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/packages.sh KVER   tests the packages of kernel KVER on a Debian 13 as people install it; writes TAP
#
# Makes the packages and a repository of them, then uses apt in a copy of `scripts/buildroot --stock`: installs, upgrades, purges.
# The same files then boot in two machines with systemd, joined by a cable, with the settings in /etc.

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

KVER=$1
STOCK=$("$SCRIPTS/buildroot" --stock)
PACKAGING=$("$SCRIPTS/buildroot" --packaging)
FLAVOUR=$(sed -E 's/^[^-]+-//' <<<"$KVER")
WORK=$REPO/build/packages-test
TARGET=$WORK/root
IMAGE=$WORK/image
PACKAGES=(ct-sync "ct-sync-modules-$FLAVOUR" ct-sync-doc)
MODULE=usr/lib/modules/$KVER/updates/ct_sync.ko.xz

# Seconds for one machine.
MACHINE_SECONDS=900

# inside COMMAND...: runs COMMAND in the Debian that is tested.
inside() { BUILDROOT=$TARGET "$SCRIPTS/enter" env DEBIAN_FRONTEND=noninteractive "$@"; }

# publish [REVISION]: makes the packages and puts them into the repository.
publish() { REVISION=${1-} "$SCRIPTS/deb" "$KVER" && "$SCRIPTS/repo" >"$WORK/line"; }

publish_signed() { make_key && SIGN_KEY=$WORK/key.pem SIGN_CERT=$WORK/cert.pem publish 1; }

# What needs whoever makes the packages (a mail address) is not looked at.
lintian() { BUILDROOT=$PACKAGING "$SCRIPTS/enter" lintian --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$REPO"/build/deb/*.deb; }

# All files of the Debian that is tested, but for the logs, caches and lists of apt, dpkg and what runs anyway at each installation.
files() {
	(cd "$TARGET" && find . -xdev \( -path './var/cache' -o -path './var/lib/apt' -o -path './var/lib/dpkg' -o -path './var/log' -o -path ./tmp \
		-o -path './root' -o -path './work' -o -path "./usr/lib/modules/$KVER/modules.*" \) -prune -o -print) | sort
}

# The version of package $1 that is installed.
version() { inside dpkg-query -W -f '${Version}' "$1"; }

install_packages() { inside apt-get update && inside apt-get install -y --no-install-recommends "${PACKAGES[@]}"; }

# Whether depmod has found the module.
found() { inside modprobe --set-version "$KVER" --show-depends ct_sync | grep /updates/ct_sync.ko; }
not() { ! "$@"; }

# Whether apt refuses to take the kernel's modules away from under the module's package, or takes both.
tied() {
	local said
	said=$(inside apt-get -s remove "linux-modules-$KVER") || return
	grep "^Remv ct-sync-modules-$KVER" <<<"$said"
}

# A key that signs modules, and its certificate.
make_key() {
	BUILDROOT=$PACKAGING "$SCRIPTS/enter" openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 2 -subj "/CN=ct_sync test/" \
		-keyout "$WORK/key.pem" -out "$WORK/cert.pem"
}
signed() { [ "$(inside modinfo -k "$KVER" -F signer ct_sync)" = "ct_sync test" ]; }
enrollable() { BUILDROOT=$PACKAGING "$SCRIPTS/enter" openssl x509 -noout -in "$TARGET/usr/share/ct-sync/module-signing/$KVER.der"; }

upgraded() { [[ $(version ct-sync) = *+1 ]] || { version ct-sync; return 1; }; }

purge() { inside apt-get purge -y 'ct-sync*'; }

nothing_left() { files | diff "$WORK/before" -; }

# What a person does on each machine: the settings.
configure() {
	cat >"$TARGET/etc/sysctl.d/60-ct_sync.conf" <<-END
		net.netfilter.ct_sync.notrack = 1
		net.netfilter.ct_sync.syncdev = eth0
	END
	echo ct_sync >"$TARGET/etc/modules-load.d/ct_sync.conf"
}

# The disk, with the kernel that apt has installed; the initramfs is the one of all test machines.
make_disk() {
	local size
	mkdir -p "$IMAGE"
	cp "$TARGET/usr/lib/modules/$KVER/vmlinuz" "$IMAGE/kernel" && cp "$("$SCRIPTS/image" "$KVER")/initramfs" "$IMAGE/initramfs" || return
	mkdir -p "$TARGET/payload"
	rm -rf "$TARGET${REPO:?}" "$TARGET${CACHE:?}"
	size=$(du -sxm "$TARGET" | cut -f 1)
	"$SCRIPTS/enter" mke2fs -q -t ext4 -d "$TARGET" -L ct_sync -m 0 -E root_owner=0:0 "$IMAGE/root.ext4" "$((size + size / 4 + 64))M"
}

# machine NAME ADDRESS COMMAND...: boots the disk and runs COMMAND there.
machine() {
	local name=$1
	shift
	"$SCRIPTS/vm" --kver "$KVER" --image "$IMAGE" --systemd --no-module --name "$name" --time $MACHINE_SECONDS --console "$WORK/$name.console" \
		--nic "$WORK/cable.$([ "$name" = fw1 ] && echo a || echo b)" --payload "$REPO/selftests/packages" -- packages/machine "$name" >"$WORK/$name.log" 2>&1
}

# Both machines at once; what they said.
pair() {
	local status=0 first
	machine fw1 &
	first=$!
	machine fw2 || status=1
	wait $first || status=1
	cat "$WORK"/fw?.log
	return $status
}

rm -rf "$WORK" "$REPO/build/repo"
mkdir -p "$WORK"
trap 'rm -rf "$WORK"' EXIT

check "the packages and the repository are made" publish
check "lintian has nothing to say" lintian
cp -a "$STOCK" "$TARGET"
mkdir -p "$TARGET$REPO" "$TARGET$CACHE"
cp "$WORK/line" "$TARGET/etc/apt/sources.list.d/ct-sync.list"
files >"$WORK/before"

check "apt installs them" install_packages
check "the module is where it belongs" test -s "$TARGET/$MODULE"
check "modprobe finds it" found
check "the kernel's modules do not go without it" tied
check "apt purges them" purge
check "nothing is left" nothing_left
check "apt installs them again" install_packages
check "newer packages are made, with a module that is signed" publish_signed
inside apt-get update >/dev/null 2>&1
check "apt upgrades them" inside apt-get upgrade -y --with-new-pkgs
check "they are the newer ones" upgraded
check "the module is signed" signed
check "the certificate is there to be enrolled" enrollable
configure
check "a disk is made of it" make_disk
check "two machines boot from it, load the module, and replicate" pair
conclude
