#!/usr/bin/awk -f
# SPDX-License-Identifier: GPL-2.0
#
# Makes the C header abi.h of rust/kapi/abi.rs, which says what both sides know and explains the parts. Knows the few forms of
# Rust that are in that file; anything else in a declaration is an error.

function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }

function fail(text) {
	printf "%s:%d: abi.awk: %s\n", FILENAME, FNR, text > "/dev/stderr"
	failed = 1
	exit 1
}

# The declaration of `name` with the Rust type `type` in C.
function declared(type, name,    parts, stars, prefix) {
	type = trim(type)
	if (match(type, /^\[.*; *[0-9A-Z_]+\]$/)) {
		split(substr(type, 2, length(type) - 2), parts, /; */)
		return declared(parts[1], name "[" parts[2] "]")
	}
	while (type ~ /^\*(mut|const) /) {
		prefix = type ~ /^\*const / ? "const " : ""
		type = substr(type, prefix ? 8 : 6)
		name = "*" name
		# `*mut *mut T`: a const further out would be of a pointer.
		if (prefix && type ~ /^\*/)
			fail("a const pointer to a pointer")
		stars = stars prefix
	}
	return stars scalar(type, name)
}

function scalar(type, name) {
	if (type in scalars)
		return scalars[type] " " name
	if (type in arrays)
		return name ~ /^\*/ ? declared(arrays[type], "(" name ")") : declared(arrays[type], name)
	if (type in callbacks)
		return type " *" name
	if (type ~ /^[a-z_][a-z0-9_]*$/)
		return "struct " (twin && type in ours_layout ? "ct_sync_twin_" : "") type " " name
	fail("unknown type " type)
}

# The C parameters of a Rust parameter list.
function parameters(list,    count, i, all, part, colon, result) {
	list = trim(list)
	sub(/,$/, "", list)
	if (list == "")
		return "void"
	count = split(list, all, /, */)
	for (i = 1; i <= count; i++) {
		colon = index(all[i], ":")
		part = declared(substr(all[i], colon + 1), trim(substr(all[i], 1, colon - 1)))
		result = result (i > 1 ? ", " : "") part
	}
	return result
}

# The C of `fn name(list) -> type`, without a semicolon.
function prototype(text, name_of,    open_at, close_at, name, list, type) {
	open_at = index(text, "(")
	close_at = match(text, /\)( -> [^()]*)?$/)
	if (!open_at || !close_at)
		fail("not a function: " text)
	name = trim(substr(text, 1, open_at - 1))
	list = substr(text, open_at + 1, close_at - open_at - 1)
	type = substr(text, close_at + 1)
	if (sub(/^ -> /, "", type))
		return declared(type, name_of name "(" parameters(list) ")")
	return "void " name_of name "(" parameters(list) ")"
}

# Has the compiler compare field `ours` of the twin of a struct with field `theirs` of the kernel's.
function compare(struct, ours, theirs,    twin_of) {
	twin_of = "struct ct_sync_twin_" struct
	put("static_assert(offsetof(" twin_of ", " ours ") == offsetof(struct " struct ", " theirs "));")
	put("static_assert(sizeof_field(" twin_of ", " ours ") == sizeof_field(struct " struct ", " theirs "));")
	put("static_assert(SAME_KIND(((" twin_of " *)0)->" ours ", ((struct " struct " *)0)->" theirs "));")
}

# Puts a line into the header, or into the part that only abi.c sees.
function put(line) {
	if (kernel)
		checks = checks line "\n"
	else
		header = header line "\n"
}

BEGIN {
	count = split("u8 u8 u16 u16 u32 u32 u64 u64 i32 int i64 s64 usize unsigned_long isize long bool bool c_char char c_void void", list, " ")
	for (i = 1; i < count; i += 2) {
		scalars[list[i]] = list[i + 1]
		gsub(/_/, " ", scalars[list[i]])
	}
}

/^\/\/ C: kernel$/ { kernel = part = 1; next }
/^\/\/ C: ours$/ { kernel = 0; part = 1; next }

# What stands before the first part: forward declarations.
/^opaque!\(/ { in_opaque = 1; next }
in_opaque && /^\);/ { in_opaque = 0; next }
in_opaque { gsub(/[ ,]/, ""); forward = forward "struct " $0 ";\n"; next }

!part { next }

# One declaration may take several lines.
joined != "" { joined = joined " " trim($0) }
joined == "" && /^ *pub\(crate\) (fn|type) / { joined = trim($0) }
joined ~ /; \/\/ = / {
	name = $3
	sub(/^.*; \/\/ = /, "", joined)
	scalars[name] = joined
	joined = ""
	next
}
joined != "" {
	if (joined !~ /;$/)
		next
	text = joined
	joined = ""
	gsub(/\( /, "(", text)
	gsub(/,? \)/, ")", text)
	sub(/^pub\(crate\) /, "", text)
	sub(/;$/, "", text)
	if (text ~ /^type .* = unsafe extern "C" fn\(/) {
		name = substr(text, 6, index(text, " =") - 6)
		sub(/^.* = unsafe extern "C" fn/, "", text)
		header = header "typedef " prototype(name text, "") ";\n"
		callbacks[name] = 1
	} else if (text ~ /^type /) {
		split(substr(text, 6), halves, / = /)
		arrays[halves[1]] = halves[2]
	} else {
		put(prototype(substr(text, 4), "") ";")
	}
	next
}

/^pub\(crate\) const / {
	text = $0
	sub(/^pub\(crate\) const /, "", text)
	sub(/;.*$/, "", text)
	name = substr(text, 1, index(text, ":") - 1)
	value = text
	sub(/^[^=]*= /, "", value)
	if (kernel)
		put("static_assert(" name " == (" value "));")
	else
		put("#define " name "\t(" value ")")
	next
}

/^#\[repr\(C\)\]$/ { repr = 1; next }

/^pub\(crate\) struct / {
	struct = $3
	# Otherwise Rust may put the fields in any order.
	if (!repr)
		fail("struct " struct " is not repr(C)")
	repr = 0
	twin = kernel
	if (kernel)
		ours_layout[struct] = 1
	put("struct " (twin ? "ct_sync_twin_" : "") struct " {")
	fields = 0
	next
}

struct && /^}/ {
	put("};")
	if (twin) {
		put("static_assert(sizeof(struct ct_sync_twin_" struct ") == sizeof(struct " struct "));")
		put("static_assert(__alignof__(struct ct_sync_twin_" struct ") == __alignof__(struct " struct "));")
		for (i = 1; i <= fields; i++)
			compare(struct, names[i], paths[i])
	}
	struct = ""
	twin = 0
	next
}

struct && /^ *pub\(crate\) / {
	text = $0
	path = ""
	if (match(text, /\/\/ = .*$/))
		path = substr(text, RSTART + 5)
	sub(/,[ \t]*(\/\/.*)?$/, "", text)
	sub(/^ *pub\(crate\) /, "", text)
	name = substr(text, 1, index(text, ":") - 1)
	put("\t" declared(substr(text, index(text, ":") + 1), name) ";")
	names[++fields] = name
	paths[fields] = path ? path : name
	next
}

# What no rule above knows would go uncompared.
/^ *[^\/ ].*pub\(crate\)|^ *pub\(crate\)/ { fail("not understood: " trim($0)) }
struct && /^ *[a-z_][a-z0-9_]*:/ { fail("a field that is not pub(crate)") }

END {
	if (failed)
		exit 1
	if (joined != "" || struct != "" || !part)
		fail("the file ends within a declaration, or has no parts")
	print "/* SPDX-License-Identifier: GPL-2.0 */"
	print "/* Made of rust/kapi/abi.rs by scripts/abi.awk: change that. */"
	print "#ifndef CT_SYNC_ABI_H"
	print "#define CT_SYNC_ABI_H"
	print ""
	print "#include <linux/types.h>"
	print "#include <net/netfilter/nf_conntrack.h>"
	print ""
	printf "%s\n%s", forward, header
	print ""
	print "#ifdef CT_SYNC_ABI_CHECKS"
	printf "%s", checks
	print "#endif /* CT_SYNC_ABI_CHECKS */"
	print "#endif /* CT_SYNC_ABI_H */"
}
