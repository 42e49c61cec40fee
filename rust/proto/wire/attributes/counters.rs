// SPDX-License-Identifier: GPL-2.0

//! COUNTERS: packets and bytes of both directions (§4.4).

use crate::proto::extras::Extras;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 15;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 4 * 8;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if is_told(extras) {
        MAX
    } else {
        0
    }
}

/// Whether the counters are told.
fn is_told(extras: &Extras) -> bool {
    extras.has & Extras::HAS_COUNTERS != 0
}

/// Writes the counters: packets and bytes of the original direction, then of the reply.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    if is_told(extras) {
        attribute::put(w, KIND, |w| {
            for (&packets, &bytes) in extras.packets.iter().zip(&extras.bytes) {
                w.u64(packets);
                w.u64(bytes);
            }
        });
    }
}

/// Reads them.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<()> {
    for (packets, bytes) in extras.packets.iter_mut().zip(&mut extras.bytes) {
        (*packets, *bytes) = (r.u64()?, r.u64()?);
    }
    extras.has |= Extras::HAS_COUNTERS;
    Some(())
}
