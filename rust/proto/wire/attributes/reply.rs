// SPDX-License-Identifier: GPL-2.0

//! REPLY: what of the reply direction is not as it would be without NAT (§4.4).
//!
//! It never changes while a connection lives, so an update leaves it out.

use crate::proto::entry::Entry;
use crate::proto::inverse::inverse;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};
use crate::proto::wire::key::{flag, put_address, take_address};

/// Type of the attribute.
pub(super) const KIND: u8 = 1;
/// Its longest form in bytes: everything is translated, over IPv6.
pub(super) const MAX: usize = HEAD + 1 + 2 * 16 + 2 * 2;

/// Reply mask: the source address follows.
const REPLY_SRC: u8 = 1;
/// Reply mask: the destination address follows.
const REPLY_DST: u8 = 2;
/// Reply mask: the source port follows.
const REPLY_SRC_PORT: u8 = 4;
/// Reply mask: the destination port follows.
const REPLY_DST_PORT: u8 = 8;

/// Whether there is anything to write.
pub(super) fn is_told(entry: &Entry) -> bool {
    entry.reply != inverse(&entry.key)
}

/// Writes what of the reply is not as without NAT.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    let (plain, reply) = (inverse(&entry.key), &entry.reply);
    if *reply == plain {
        return;
    }
    attribute::put(w, KIND, |w| {
        let (src, dst) = (reply.src != plain.src, reply.dst != plain.dst);
        let src_port = reply.src_port != plain.src_port;
        let dst_port = reply.dst_port != plain.dst_port;
        w.u8(flag(src, REPLY_SRC)
            | flag(dst, REPLY_DST)
            | flag(src_port, REPLY_SRC_PORT)
            | flag(dst_port, REPLY_DST_PORT));
        if src {
            put_address(w, &entry.key, &reply.src);
        }
        if dst {
            put_address(w, &entry.key, &reply.dst);
        }
        if src_port {
            w.u16(reply.src_port);
        }
        if dst_port {
            w.u16(reply.dst_port);
        }
    });
}

/// Reads what of the reply is not as without NAT.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    let (mask, family) = (r.u8()?, entry.key.family);
    if mask & REPLY_SRC != 0 {
        entry.reply.src = take_address(r, family)?;
    }
    if mask & REPLY_DST != 0 {
        entry.reply.dst = take_address(r, family)?;
    }
    if mask & REPLY_SRC_PORT != 0 {
        entry.reply.src_port = r.u16()?;
    }
    if mask & REPLY_DST_PORT != 0 {
        entry.reply.dst_port = r.u16()?;
    }
    Some(())
}
