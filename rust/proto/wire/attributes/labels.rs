// SPDX-License-Identifier: GPL-2.0

//! LABELS: the labels of a connection, up to the last byte in which one is set (§4.4).

use crate::proto::extras::Extras;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 11;
/// Its longest form in bytes.
pub(super) const MAX: usize = HEAD + LABELS_BYTES;

/// Bytes of all labels.
const LABELS_BYTES: usize = 16;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if is_told(extras) {
        MAX
    } else {
        0
    }
}

/// Whether a label is set.
fn is_told(extras: &Extras) -> bool {
    extras.labels != [0; 2]
}

/// Writes the labels, if one is set.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    if !is_told(extras) {
        return;
    }
    let [low, high] = extras.labels;
    let bytes = ((u128::from(high) << 64) | u128::from(low)).to_le_bytes();
    let unset = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    let told = bytes.get(..LABELS_BYTES - unset).unwrap_or_default();
    attribute::put(w, KIND, |w| w.put(told));
}

/// Reads labels; bytes that are not there are zero. Returns false if there are more than this
/// version has room for.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> bool {
    let mut bytes = [0; LABELS_BYTES];
    let Some(place) = bytes.get_mut(..r.0.len()) else {
        return false;
    };
    place.copy_from_slice(r.0);
    let labels = u128::from_le_bytes(bytes);
    extras.labels = [labels as u64, (labels >> 64) as u64];
    true
}
