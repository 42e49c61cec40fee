// SPDX-License-Identifier: GPL-2.0

//! SEQADJ: how the sequence numbers of a connection are changed, because a helper has made its
//! packets longer or shorter (§4.4).

use crate::proto::relations::SeqAdj;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};
use crate::proto::wire::key::flag;

/// Type of the attribute.
pub(super) const KIND: u8 = 9;
/// Its longest form in bytes: both directions.
pub(super) const MAX: usize = HEAD + 1 + 2 * 12;

/// Mask: the original direction follows.
const ORIGINAL: u8 = 1;
/// Mask: the reply direction follows.
const REPLY: u8 = 2;

/// Writes the directions whose sequence numbers are changed.
pub(super) fn put(w: &mut Writer<'_>, [original, reply]: &[SeqAdj; 2]) {
    let changed = |seqadj: &SeqAdj| *seqadj != SeqAdj::default();
    let mask = flag(changed(original), ORIGINAL) | flag(changed(reply), REPLY);
    if mask == 0 {
        return;
    }
    attribute::put(w, KIND, |w| {
        w.u8(mask);
        for seqadj in [original, reply].into_iter().filter(|&s| changed(s)) {
            w.u32(seqadj.position);
            w.put(&seqadj.before.to_be_bytes());
            w.put(&seqadj.after.to_be_bytes());
        }
    });
}

/// Reads the directions that are told.
pub(super) fn take(r: &mut Reader<'_>, directions: &mut [SeqAdj; 2]) -> Option<()> {
    let mask = r.u8()?;
    for (seqadj, bit) in directions.iter_mut().zip([ORIGINAL, REPLY]) {
        if mask & bit != 0 {
            *seqadj = SeqAdj {
                position: r.u32()?,
                before: i32::from_be_bytes(r.array()?),
                after: i32::from_be_bytes(r.array()?),
            };
        }
    }
    Some(())
}
