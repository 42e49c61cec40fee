// SPDX-License-Identifier: GPL-2.0

//! SYNPROXY: what the SYN proxy has to know of a connection that was opened through it (§4.4).

use crate::proto::extras::Extras;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 13;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 3 * 4;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if is_told(extras) {
        MAX
    } else {
        0
    }
}

/// Whether the connection was opened through a SYN proxy.
fn is_told(extras: &Extras) -> bool {
    extras.has & Extras::HAS_SYNPROXY != 0
}

/// Writes the proxy's numbers, if there are any.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    if is_told(extras) {
        attribute::put(w, KIND, |w| {
            extras.synproxy.iter().for_each(|&number| w.u32(number));
        });
    }
}

/// Reads them.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<()> {
    extras.synproxy = [r.u32()?, r.u32()?, r.u32()?];
    extras.has |= Extras::HAS_SYNPROXY;
    Some(())
}
