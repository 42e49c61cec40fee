// SPDX-License-Identifier: GPL-2.0

//! TCP: state, window scales and flags of a TCP connection (§4.4).

use crate::proto::entry::Entry;
use crate::proto::inverse::TCP;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 2;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 4;

/// States of `enum tcp_conntrack` are below this.
const TCP_STATES: u8 = 10;
/// Largest window scale (RFC 7323).
const SCALE_MAX: u8 = 14;

/// Writes what the tracker of TCP knows; the windows are an attribute of their own.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    if entry.has & Entry::HAS_TCP != 0 && entry.key.protocol == TCP {
        attribute::put(w, KIND, |w| {
            let [original, reply] = entry.tcp_scale;
            w.u8(entry.state);
            w.u8((original << 4) | (reply & 0xf));
            w.put(&entry.tcp_flags);
        });
    }
}

/// Reads the state of a TCP connection.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    let (state, scales) = (r.u8()?, r.u8()?);
    let scale = [scales >> 4, scales & 0xf];
    let in_range = state < TCP_STATES && scale.iter().all(|&scale| scale <= SCALE_MAX);
    if !in_range || entry.key.protocol != TCP {
        return None;
    }
    entry.state = state;
    entry.tcp_scale = scale;
    entry.tcp_flags = r.array()?;
    entry.has |= Entry::HAS_TCP;
    Some(())
}
