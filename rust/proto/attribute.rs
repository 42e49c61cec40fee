// SPDX-License-Identifier: GPL-2.0

//! Attributes of an upsert: what not every connection has (§4.4).

use super::bytes::{Reader, Writer};
use super::entry::{Entry, TcpWindow};
use super::extras::{extras_max, put_extras, take_extra, EXTRAS_MAX};
use super::inverse::{inverse, SCTP, TCP};
use super::key::{flag, put_address, take_address};
use super::relations::{put_relations, take_relation, Relations, RELATIONS_MAX};

/// Most bytes that the attributes of one entry take without relations and extras: those of a TCP
/// connection with windows, NAT of everything over IPv6, a mark and a fixed timeout.
pub(super) const ATTRIBUTES_COMMON: usize =
    (2 + 1 + 2 * 16 + 2 * 2) + (2 + 4) + (2 + 2 * 16) + (2 + 4) + (2 + 4);
/// Most bytes that the attributes of one entry take.
pub(super) const ATTRIBUTES_MAX: usize = ATTRIBUTES_COMMON + RELATIONS_MAX + EXTRAS_MAX;

/// Bytes in which the attributes of this entry fit.
pub(super) fn attributes_max(entry: &Entry) -> usize {
    let relations = if entry.relations == Relations::default() {
        0
    } else {
        RELATIONS_MAX
    };
    ATTRIBUTES_COMMON + relations + extras_max(&entry.extras)
}

/// Types of attributes.
mod kind {
    pub(super) const REPLY: u8 = 1;
    pub(super) const TCP: u8 = 2;
    pub(super) const TCP_WINDOW: u8 = 3;
    pub(super) const SCTP: u8 = 4;
    pub(super) const MARK: u8 = 5;
    pub(super) const TIMEOUT: u8 = 6;
}

/// Reply mask: the source address follows.
const REPLY_SRC: u8 = 1;
/// Reply mask: the destination address follows.
const REPLY_DST: u8 = 2;
/// Reply mask: the source port follows.
const REPLY_SRC_PORT: u8 = 4;
/// Reply mask: the destination port follows.
const REPLY_DST_PORT: u8 = 8;

/// States of `enum tcp_conntrack` are below this.
const TCP_STATES: u8 = 10;
/// States of `enum sctp_conntrack` are below this.
const SCTP_STATES: u8 = 10;
/// Largest window scale (RFC 7323).
const SCALE_MAX: u8 = 14;

/// Writes the attributes of an entry.
pub(super) fn put_attributes(w: &mut Writer<'_>, entry: &Entry) {
    put_constant(w, entry);
    put_variable(w, entry);
}

/// Whether [`put_constant`] writes anything.
pub(super) fn has_constant(entry: &Entry) -> bool {
    entry.reply != inverse(&entry.key)
}

/// Writes the attributes that never change while a connection lives.
fn put_constant(w: &mut Writer<'_>, entry: &Entry) {
    put_reply(w, entry);
}

/// Writes the attributes that may change.
pub(super) fn put_variable(w: &mut Writer<'_>, entry: &Entry) {
    put_protocol(w, entry);
    if entry.mark != 0 {
        attribute(w, kind::MARK, |w| w.u32(entry.mark));
    }
    if entry.status & Entry::FIXED_TIMEOUT != 0 {
        attribute(w, kind::TIMEOUT, |w| w.u32(entry.timeout_s));
    }
    put_relations(w, entry);
    put_extras(w, &entry.extras);
}

/// Writes one attribute of type `kind`.
pub(super) fn attribute(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.u8(kind);
    w.prefixed(body);
}

/// Writes what of the reply is not as without NAT.
fn put_reply(w: &mut Writer<'_>, entry: &Entry) {
    let (plain, reply) = (inverse(&entry.key), &entry.reply);
    if *reply == plain {
        return;
    }
    attribute(w, kind::REPLY, |w| {
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

/// Writes what the tracker of the protocol knows.
fn put_protocol(w: &mut Writer<'_>, entry: &Entry) {
    if entry.has & Entry::HAS_TCP != 0 && entry.key.protocol == TCP {
        attribute(w, kind::TCP, |w| {
            let [original, reply] = entry.tcp_scale;
            w.u8(entry.state);
            w.u8((original << 4) | (reply & 0xf));
            w.put(&entry.tcp_flags);
        });
        if entry.has & Entry::HAS_TCP_WINDOW != 0 {
            attribute(w, kind::TCP_WINDOW, |w| {
                entry
                    .tcp_window
                    .iter()
                    .for_each(|window| put_window(w, window));
            });
        }
    }
    if entry.has & Entry::HAS_SCTP != 0 && entry.key.protocol == SCTP {
        attribute(w, kind::SCTP, |w| {
            w.u8(entry.state);
            entry.sctp_vtag.iter().for_each(|&vtag| w.u32(vtag));
        });
    }
}

/// Writes the window of one direction.
fn put_window(w: &mut Writer<'_>, window: &TcpWindow) {
    w.u32(window.end);
    w.u32(window.max_end);
    w.u32(window.max_window);
    w.u32(window.max_ack);
}

/// Reads the attributes of `entry`, and counts those that are not known.
///
/// Returns `None` if one is malformed, or one that has to be there is not.
pub(super) fn take_attributes(
    r: &mut Reader<'_>,
    entry: &mut Entry,
    unknown: &mut u32,
) -> Option<()> {
    let mut timeout = None;
    while !r.is_empty() {
        let (kind, mut body) = take_attribute(r)?;
        match kind {
            kind::REPLY => take_reply(&mut body, entry)?,
            kind::TCP => take_tcp(&mut body, entry)?,
            kind::TCP_WINDOW => take_windows(&mut body, entry)?,
            kind::SCTP => take_sctp(&mut body, entry)?,
            kind::MARK => entry.mark = body.u32()?,
            kind::TIMEOUT => timeout = Some(body.u32()?),
            _ => {
                let known = take_relation(kind, &mut body, entry)?
                    || take_extra(kind, &mut body, &mut entry.extras)?;
                *unknown += u32::from(!known);
            }
        }
    }
    if entry.status & Entry::FIXED_TIMEOUT != 0 {
        entry.timeout_s = timeout?;
    }
    // The windows say nothing without the state, the scales and the flags.
    let windows_only =
        entry.has & (Entry::HAS_TCP | Entry::HAS_TCP_WINDOW) == Entry::HAS_TCP_WINDOW;
    (!windows_only).then_some(())
}

/// Skips attributes where none is known yet, and counts them.
pub(super) fn skip_attributes(r: &mut Reader<'_>, unknown: &mut u32) -> Option<()> {
    while !r.is_empty() {
        take_attribute(r)?;
        *unknown += 1;
    }
    Some(())
}

/// Takes type and body of one attribute.
pub(super) fn take_attribute<'a>(r: &mut Reader<'a>) -> Option<(u8, Reader<'a>)> {
    let kind = r.u8()?;
    let len = r.u8()?;
    Some((kind, Reader(r.slice(usize::from(len))?)))
}

/// Reads what of the reply is not as without NAT.
fn take_reply(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
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

/// Reads the state of a TCP connection.
fn take_tcp(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
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

/// Reads the windows of both directions of a TCP connection.
fn take_windows(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    if entry.key.protocol != TCP {
        return None;
    }
    for window in &mut entry.tcp_window {
        *window = TcpWindow {
            end: r.u32()?,
            max_end: r.u32()?,
            max_window: r.u32()?,
            max_ack: r.u32()?,
        };
    }
    entry.has |= Entry::HAS_TCP_WINDOW;
    Some(())
}

/// Reads the state of an SCTP association.
fn take_sctp(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    let state = r.u8()?;
    if state >= SCTP_STATES || entry.key.protocol != SCTP {
        return None;
    }
    entry.state = state;
    entry.sctp_vtag = [r.u32()?, r.u32()?];
    entry.has |= Entry::HAS_SCTP;
    Some(())
}
