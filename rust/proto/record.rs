// SPDX-License-Identifier: GPL-2.0

//! Records: one connection, or one mark in the stream, each with a length before it (§4).

use super::bytes::{Reader, Writer};
use super::entry::{Endpoints, Entry, Key, TcpWindow, FAMILY_V4, FAMILY_V6, ZONE_DIR_BOTH};
use super::inverse::{inverse, SCTP, TCP};
use crate::stats::Counter;

/// Longest record that is written, in bytes, with its length: IPv6, a zone and every attribute
/// that can occur together (TCP with windows, NAT of everything, mark, fixed timeout).
pub const RECORD_MAX: usize = 2 + 41 + 2 + (2 + 37) + (2 + 4) + (2 + 32) + (2 + 4) + (2 + 4);
/// Longest BEGIN or END, in bytes, with its length.
pub const MARKER_MAX: usize = 2 + 8;

/// Types of records.
mod kind {
    pub(super) const UPSERT: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const RESYNC_BEGIN: u8 = 3;
    pub(super) const RESYNC_END: u8 = 4;
}

/// Types of attributes of an upsert.
mod attribute {
    pub(super) const REPLY: u8 = 1;
    pub(super) const TCP: u8 = 2;
    pub(super) const TCP_WINDOW: u8 = 3;
    pub(super) const SCTP: u8 = 4;
    pub(super) const MARK: u8 = 5;
    pub(super) const TIMEOUT: u8 = 6;
}

/// Key flag: the addresses are IPv6.
const KEY_V6: u8 = 1;
/// Key flag: zone and its directions follow.
const KEY_ZONE: u8 = 2;

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

// The length byte counts what follows it.
const _: () = assert!(RECORD_MAX - 1 <= u8::MAX as usize);
// Every status bit that is sent fits the field.
const _: () = assert!(Entry::STATUS_MASK <= u16::MAX as u32);

/// A record as it was understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// This connection is in the primary's table, like this.
    Upsert(Entry),
    /// This connection is not in the primary's table.
    Delete(Key),
    /// A resync begins.
    ResyncBegin {
        /// Number of the resync in its stream, from 1.
        generation: u32,
    },
    /// A resync is complete.
    ResyncEnd {
        /// Number that its BEGIN had.
        generation: u32,
        /// Connections that it told of.
        count: u32,
    },
    /// Of a type that this version does not know.
    Unknown,
}

/// Writes one record of type `kind`.
fn record(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.prefixed(|w| {
        w.u8(kind);
        body(w);
    });
}

/// Writes one attribute of type `kind`.
fn attribute(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.u8(kind);
    w.prefixed(body);
}

/// Writes the record that says that `entry` is there.
pub(super) fn put_upsert(w: &mut Writer<'_>, entry: &Entry) {
    record(w, kind::UPSERT, |w| {
        put_key(w, &entry.key);
        w.u16((entry.status & Entry::STATUS_MASK) as u16);
        put_reply(w, entry);
        put_protocol(w, entry);
        if entry.mark != 0 {
            attribute(w, attribute::MARK, |w| w.u32(entry.mark));
        }
        if entry.status & Entry::FIXED_TIMEOUT != 0 {
            attribute(w, attribute::TIMEOUT, |w| w.u32(entry.timeout_s));
        }
    });
}

/// Writes the record that says that `key` is not there.
pub(super) fn put_delete(w: &mut Writer<'_>, key: &Key) {
    record(w, kind::DELETE, |w| put_key(w, key));
}

/// Writes the record that begins a resync.
pub(super) fn put_resync_begin(w: &mut Writer<'_>, generation: u32) {
    record(w, kind::RESYNC_BEGIN, |w| w.u32(generation));
}

/// Writes the record that ends a resync.
pub(super) fn put_resync_end(w: &mut Writer<'_>, generation: u32, count: u32) {
    record(w, kind::RESYNC_END, |w| {
        w.u32(generation);
        w.u32(count);
    });
}

/// `bit` if `on`.
fn flag(on: bool, bit: u8) -> u8 {
    if on {
        bit
    } else {
        0
    }
}

/// Writes an address in the bytes that its family needs.
fn put_address(w: &mut Writer<'_>, key: &Key, address: &[u8; 16]) {
    let [a, b, c, d, ..] = *address;
    if key.family == FAMILY_V4 {
        w.put(&[a, b, c, d]);
    } else {
        w.put(address);
    }
}

/// Writes a key.
fn put_key(w: &mut Writer<'_>, key: &Key) {
    let zone = key.zone != 0 || key.zone_dir != ZONE_DIR_BOTH;
    let v6 = key.family != FAMILY_V4;
    w.u8(flag(v6, KEY_V6) | flag(zone, KEY_ZONE));
    if zone {
        w.u16(key.zone);
        w.u8(key.zone_dir);
    }
    w.u8(key.protocol);
    put_address(w, key, &key.original.src);
    put_address(w, key, &key.original.dst);
    w.u16(key.original.src_port);
    w.u16(key.original.dst_port);
}

/// Writes what of the reply is not as without NAT.
fn put_reply(w: &mut Writer<'_>, entry: &Entry) {
    let (plain, reply) = (inverse(&entry.key), &entry.reply);
    if *reply == plain {
        return;
    }
    attribute(w, attribute::REPLY, |w| {
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
        attribute(w, attribute::TCP, |w| {
            let [original, reply] = entry.tcp_scale;
            w.u8(entry.state);
            w.u8((original << 4) | (reply & 0xf));
            w.put(&entry.tcp_flags);
        });
        if entry.has & Entry::HAS_TCP_WINDOW != 0 {
            attribute(w, attribute::TCP_WINDOW, |w| {
                entry
                    .tcp_window
                    .iter()
                    .for_each(|window| put_window(w, window));
            });
        }
    }
    if entry.has & Entry::HAS_SCTP != 0 && entry.key.protocol == SCTP {
        attribute(w, attribute::SCTP, |w| {
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

/// The records of a frame, whose lengths have been checked.
#[derive(Clone, Copy)]
pub struct Records<'a>(Reader<'a>);

impl<'a> Records<'a> {
    /// Checks that `payload` is made up of exactly `count` records.
    ///
    /// # Errors
    ///
    /// The counter that names why the whole frame is refused.
    pub fn new(payload: &'a [u8], count: u16) -> Result<Self, Counter> {
        let mut rest = Reader(payload);
        for _ in 0..count {
            take_record(&mut rest).ok_or(Counter::FramesRecordOverrun)?;
        }
        if !rest.is_empty() {
            return Err(Counter::FramesTrailingGarbage);
        }
        Ok(Self(Reader(payload)))
    }
}

/// Takes the body of one record: its type and what follows.
fn take_record<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = r.u8()?;
    r.slice(usize::from(len))
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        take_record(&mut self.0)
    }
}

impl Record {
    /// Understands the body of a record, and counts attributes that it does not know.
    ///
    /// Returns `None` if it is malformed: cut short, or with a value out of range.
    pub fn decode(body: &[u8], unknown_attributes: &mut u32) -> Option<Record> {
        let mut r = Reader(body);
        match r.u8()? {
            kind::UPSERT => take_upsert(&mut r, unknown_attributes).map(Record::Upsert),
            kind::DELETE => take_delete(&mut r, unknown_attributes).map(Record::Delete),
            kind::RESYNC_BEGIN => Some(Record::ResyncBegin {
                generation: r.u32()?,
            }),
            kind::RESYNC_END => Some(Record::ResyncEnd {
                generation: r.u32()?,
                count: r.u32()?,
            }),
            _ => Some(Record::Unknown),
        }
    }
}

/// Reads a delete; it has no attributes in this version.
fn take_delete(r: &mut Reader<'_>, unknown_attributes: &mut u32) -> Option<Key> {
    let key = take_key(r)?;
    while !r.is_empty() {
        take_attribute(r)?;
        *unknown_attributes += 1;
    }
    Some(key)
}

/// Reads an upsert.
fn take_upsert(r: &mut Reader<'_>, unknown_attributes: &mut u32) -> Option<Entry> {
    let key = take_key(r)?;
    let mut entry = Entry {
        key,
        reply: inverse(&key),
        status: u32::from(r.u16()?) & Entry::STATUS_MASK,
        ..Entry::default()
    };
    let mut timeout = None;
    while !r.is_empty() {
        let (kind, mut body) = take_attribute(r)?;
        match kind {
            attribute::REPLY => take_reply(&mut body, &mut entry)?,
            attribute::TCP => take_tcp(&mut body, &mut entry)?,
            attribute::TCP_WINDOW => take_windows(&mut body, &mut entry)?,
            attribute::SCTP => take_sctp(&mut body, &mut entry)?,
            attribute::MARK => entry.mark = body.u32()?,
            attribute::TIMEOUT => timeout = Some(body.u32()?),
            _ => *unknown_attributes += 1,
        }
    }
    if entry.status & Entry::FIXED_TIMEOUT != 0 {
        entry.timeout_s = timeout?;
    }
    // The windows say nothing without the state, the scales and the flags.
    let windows_only =
        entry.has & (Entry::HAS_TCP | Entry::HAS_TCP_WINDOW) == Entry::HAS_TCP_WINDOW;
    (!windows_only).then_some(entry)
}

/// Takes type and body of one attribute.
fn take_attribute<'a>(r: &mut Reader<'a>) -> Option<(u8, Reader<'a>)> {
    let kind = r.u8()?;
    let len = r.u8()?;
    Some((kind, Reader(r.slice(usize::from(len))?)))
}

/// Reads an address of the key's family.
fn take_address(r: &mut Reader<'_>, family: u8) -> Option<[u8; 16]> {
    if family != FAMILY_V4 {
        return r.array();
    }
    let [a, b, c, d] = r.array()?;
    Some([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// Reads a key.
fn take_key(r: &mut Reader<'_>) -> Option<Key> {
    let flags = r.u8()?;
    if flags & !(KEY_V6 | KEY_ZONE) != 0 {
        return None;
    }
    let family = if flags & KEY_V6 != 0 {
        FAMILY_V6
    } else {
        FAMILY_V4
    };
    let (zone, zone_dir) = match flags & KEY_ZONE {
        0 => (0, ZONE_DIR_BOTH),
        _ => (r.u16()?, r.u8()?),
    };
    let protocol = r.u8()?;
    if protocol == 0 || zone_dir == 0 || zone_dir > ZONE_DIR_BOTH {
        return None;
    }
    Some(Key {
        original: Endpoints {
            src: take_address(r, family)?,
            dst: take_address(r, family)?,
            src_port: r.u16()?,
            dst_port: r.u16()?,
        },
        zone,
        zone_dir,
        family,
        protocol,
        ..Key::default()
    })
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
