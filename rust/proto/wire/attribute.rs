// SPDX-License-Identifier: GPL-2.0

//! The form of an attribute: its type, its length, its body (§4.4, §4.7). What types there are
//! depends on the record: those of a connection are in `attributes/`, those of an expectation in
//! `expectation.rs`.

use super::bytes::{Reader, Writer};

/// Bytes of type and length.
pub(super) const HEAD: usize = 2;

/// Writes one attribute of type `kind`, whose body `body` writes.
pub(super) fn put(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.u8(kind);
    w.prefixed(body);
}

/// Takes type and body of one attribute, `None` if it is cut short.
pub(super) fn take<'a>(r: &mut Reader<'a>) -> Option<(u8, Reader<'a>)> {
    let kind = r.u8()?;
    let len = r.u8()?;
    Some((kind, Reader(r.slice(usize::from(len))?)))
}

/// Skips attributes where none is known yet, and counts them.
pub(super) fn skip_all(r: &mut Reader<'_>, unknown: &mut u32) -> Option<()> {
    while !r.is_empty() {
        take(r)?;
        *unknown += 1;
    }
    Some(())
}
