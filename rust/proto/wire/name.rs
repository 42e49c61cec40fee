// SPDX-License-Identifier: GPL-2.0

//! Names on the wire: those of helpers and of functions (§4.4, §4.7). One is the last field of its
//! attribute, so it has neither a length nor a NUL behind it.

use super::bytes::{Reader, Writer};

/// Writes a name without the NULs behind it.
pub(super) fn put_name(w: &mut Writer<'_>, name: &[u8]) {
    let len = name.iter().position(|&byte| byte == 0);
    w.put(name.get(..len.unwrap_or(name.len())).unwrap_or_default());
}

/// Reads all that is left as a name: letters, digits, `-`, `_` and `.`, and a NUL must fit behind.
pub(super) fn take_name<const N: usize>(r: &mut Reader<'_>) -> Option<[u8; N]> {
    let mut name = [0; N];
    let bytes = r.slice(r.0.len())?;
    let fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if bytes.len() >= N || !bytes.iter().all(fit) {
        return None;
    }
    name.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(name)
}

/// Reads a name that is not empty.
pub(super) fn take_some_name<const N: usize>(r: &mut Reader<'_>) -> Option<[u8; N]> {
    take_name(r).filter(|name| name.first() != Some(&0))
}
