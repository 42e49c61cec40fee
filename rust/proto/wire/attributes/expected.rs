// SPDX-License-Identifier: GPL-2.0

//! EXPECTED: how many connections a connection expects; each is told by a record of its own (§4.4).

use crate::proto::relations::{Relations, EXPECTATIONS_MAX};
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 10;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 1;

/// Writes the number, unless it is 0.
pub(super) fn put(w: &mut Writer<'_>, relations: &Relations) {
    if relations.expectations != 0 {
        attribute::put(w, KIND, |w| w.u8(relations.expectations));
    }
}

/// Reads it.
pub(super) fn take(r: &mut Reader<'_>, relations: &mut Relations) -> Option<()> {
    relations.expectations = r.u8().filter(|&count| count <= EXPECTATIONS_MAX)?;
    Some(())
}
