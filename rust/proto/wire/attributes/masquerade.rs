// SPDX-License-Identifier: GPL-2.0

//! MASQUERADE: the source became an address of the node's, as the interface had it (§4.4). It never
//! changes in the life of a connection.

use crate::proto::extras::Extras;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute. 17 and 18 are for claims of several primaries.
pub(super) const KIND: u8 = 19;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 1;

/// Flag: it is an address of the interface itself that the connection leaves by.
const OF_INTERFACE: u8 = 1;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if is_told(extras) {
        MAX
    } else {
        0
    }
}

/// Whether the connection is masqueraded.
pub(super) fn is_told(extras: &Extras) -> bool {
    extras.has & Extras::MASQUERADED != 0
}

/// Writes how, if it is.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    if is_told(extras) {
        let of_interface = extras.has & Extras::OF_INTERFACE != 0;
        attribute::put(w, KIND, |w| w.u8(u8::from(of_interface) * OF_INTERFACE));
    }
}

/// Reads it. Flags that are not known say nothing.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<()> {
    extras.has |= Extras::MASQUERADED;
    if r.u8()? & OF_INTERFACE != 0 {
        extras.has |= Extras::OF_INTERFACE;
    }
    Some(())
}
