// SPDX-License-Identifier: GPL-2.0

//! SECMARK: the security context of a connection, as text, since its number means something on one
//! node only (§4.4).

use crate::proto::extras::{Extras, SECCTX_MAX};
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 12;
/// Its longest form in bytes.
pub(super) const MAX: usize = HEAD + SECCTX_MAX;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if extras.secctx_length != 0 {
        MAX
    } else {
        0
    }
}

/// Writes the context, if there is one.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    let secctx = extras.secctx.get(..usize::from(extras.secctx_length));
    if let Some(secctx @ [_, ..]) = secctx {
        attribute::put(w, KIND, |w| w.put(secctx));
    }
}

/// Reads a security context. Returns false if it is longer than this version has room for.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
    if r.0.is_empty() || r.0.contains(&0) {
        return None;
    }
    let Some(place) = extras.secctx.get_mut(..r.0.len()) else {
        return Some(false);
    };
    place.copy_from_slice(r.0);
    extras.secctx_length = u8::try_from(r.0.len()).ok()?;
    Some(true)
}
