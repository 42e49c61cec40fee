// SPDX-License-Identifier: GPL-2.0

//! MARK: the connection mark (§4.4).

use crate::proto::entry::Entry;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 5;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 4;

/// Writes the mark, unless it is 0.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    if entry.mark != 0 {
        attribute::put(w, KIND, |w| w.u32(entry.mark));
    }
}

/// Reads it.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    entry.mark = r.u32()?;
    Some(())
}
