// SPDX-License-Identifier: GPL-2.0

//! TIMEOUT: the seconds that are left of a timeout which no packet renews (§4.4). It is there
//! exactly where the status has `FIXED_TIMEOUT`.

use crate::proto::entry::Entry;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 6;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 4;

/// Whether a connection has such a timeout.
fn is_fixed(entry: &Entry) -> bool {
    entry.status & Entry::FIXED_TIMEOUT != 0
}

/// Writes the timeout of a connection that has a fixed one.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    if is_fixed(entry) {
        attribute::put(w, KIND, |w| w.u32(entry.timeout_s));
    }
}

/// Reads the seconds. What they mean is known when all attributes are: see [`apply`].
pub(super) fn take(r: &mut Reader<'_>) -> Option<u32> {
    r.u32()
}

/// Gives an entry its timeout, after all attributes. One without a fixed timeout needs none; a
/// fixed one that was not told makes the record malformed, which `None` says.
pub(super) fn apply(told: Option<u32>, entry: &mut Entry) -> Option<()> {
    if is_fixed(entry) {
        entry.timeout_s = told?;
    }
    Some(())
}
