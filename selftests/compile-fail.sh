#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   selftests/compile-fail.sh KVER   shows that code which misuses rust/kapi does not compile; writes TAP
#
# Each file of selftests/compile_fail is compiled as a module of a copy of the crate, as Kbuild compiles that. Its errors must be
# those that its lines say, with their codes, and no others. The compiler looks at lifetimes only if all types are right, hence two files.

. "$(dirname "$0")/../scripts/common.sh"
. "$REPO/selftests/tap.bash"

KVER=$1
TREE=$("$SCRIPTS/kernel-tree" "$KVER")
mkdir -p "$REPO/build"
COPY=$(mktemp -d "$REPO/build/compile-fail.XXXXXX")
trap 'rm -rf "$COPY"' EXIT

# The errors that the lines of file $1 say: LINE CODE.
said() { sed -nE 's|.*// error: (E[0-9]+)$|\1|; t number; b; :number; =; p' "$1" | paste -d ' ' - -; }

# Compiles the crate with file $1 and prints the errors that are in that file, and all others as they are.
errors_with() {
	local name
	name=$(basename "$1" .rs)
	rm -rf "${COPY:?}/${name:?}"
	mkdir -p "$COPY/$name/out"
	cp -r "$REPO/rust" "$REPO/scripts" "$REPO/Kbuild" "$REPO/dkms.conf" "$COPY/$name"
	cp "$1" "$COPY/$name/rust/compile_fail.rs"
	printf '\nmod compile_fail;\n' >>"$COPY/$name/rust/ct_sync.rs"
	kernel_make "$KVER" -s -C "$TREE" KRUSTFLAGS=--error-format=short M="$COPY/$name" MO="$COPY/$name/out" rust/ct_sync.o 2>&1 |
		sed -nE 's|^.*/compile_fail\.rs:([0-9]+):[0-9]+: error\[(E[0-9]+)\].*|\1 \2|p; t; /error(\[|:)/p' |
		grep -vE 'aborting due to|could not compile' | sort -n | uniq
}

# Whether the compiler finds in file $1 what the file says. Prints the difference.
fails_as_said() {
	local want have
	want=$(said "$1")
	[ -n "$want" ] || { echo "the file says no errors"; return 1; }
	have=$(errors_with "$1") || true
	diff <(printf '%s\n' "$want") <(printf '%s\n' "$have")
}

for file in "$REPO"/selftests/compile_fail/*.rs; do
	check "all that $(basename "$file") misuses is an error ($(said "$file" | wc -l))" fails_as_said "$file"
done
conclude
