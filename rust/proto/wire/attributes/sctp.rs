// SPDX-License-Identifier: GPL-2.0

//! SCTP: state and verification tags of an association (§4.4).

use crate::proto::entry::Entry;
use crate::proto::inverse::SCTP;
use crate::proto::wire::attribute;
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 4;

/// States of `enum sctp_conntrack` are below this.
const SCTP_STATES: u8 = 10;

/// Writes what the tracker of SCTP knows.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    if entry.has & Entry::HAS_SCTP != 0 && entry.key.protocol == SCTP {
        attribute::put(w, KIND, |w| {
            w.u8(entry.state);
            entry.sctp_vtag.iter().for_each(|&vtag| w.u32(vtag));
        });
    }
}

/// Reads the state of an SCTP association.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    let state = r.u8()?;
    if state >= SCTP_STATES || entry.key.protocol != SCTP {
        return None;
    }
    entry.state = state;
    entry.sctp_vtag = [r.u32()?, r.u32()?];
    entry.has |= Entry::HAS_SCTP;
    Some(())
}
