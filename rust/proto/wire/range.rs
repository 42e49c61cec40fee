// SPDX-License-Identifier: GPL-2.0

//! Ranges of frames on the wire: the first number and the last (§4.8, §7.1).

use super::bytes::{Reader, Writer};
use crate::proto::range::Range;

/// Longest range in bytes.
pub(super) const RANGE_LEN: usize = 16;

/// Writes the first and the last.
pub(super) fn put_range(w: &mut Writer<'_>, range: &Range) {
    w.u64(range.first);
    w.u64(range.last);
}

/// Reads the first and the last; `None` if they are cut short or in the wrong order.
pub(super) fn take_range(r: &mut Reader<'_>) -> Option<Range> {
    let (first, last) = (r.u64()?, r.u64()?);
    (first <= last).then_some(Range { first, last })
}
