// SPDX-License-Identifier: GPL-2.0

//! TIMESTAMP: when a connection began (§4.4).

use crate::proto::extras::Extras;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 14;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 8;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if extras.started_ns != 0 {
        MAX
    } else {
        0
    }
}

/// Writes when the connection began, if that is recorded.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    if extras.started_ns != 0 {
        attribute::put(w, KIND, |w| w.u64(extras.started_ns));
    }
}

/// Reads it.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<()> {
    extras.started_ns = r.u64()?;
    Some(())
}
