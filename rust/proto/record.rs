// SPDX-License-Identifier: GPL-2.0

//! Records: one connection, or one mark in the stream, each with a length before it (§4).

use super::attribute::{
    attributes_max, put_attributes, skip_attributes, take_attributes, ATTRIBUTES_COMMON,
    ATTRIBUTES_MAX,
};
use super::bytes::{Reader, Writer, LENGTH_MAX};
use super::entry::{Entry, Key};
use super::gaps::Range;
use super::inverse::inverse;
use super::key::{put_key, take_key, take_key_bytes, KEY_MAX};
use crate::stats::Counter;

/// Bytes of length and type.
const HEAD_MAX: usize = LENGTH_MAX + 1;
/// Longest record that is written, in bytes, with its length.
pub const RECORD_MAX: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_MAX;
/// The same of a connection that has nothing in extensions.
pub(super) const RECORD_COMMON: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_COMMON;
/// Longest record that is not about a connection, in bytes, with its length.
pub const MARKER_MAX: usize = 2 + 16;

/// Types of records.
mod kind {
    pub(super) const UPSERT: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const RESYNC_BEGIN: u8 = 3;
    pub(super) const RESYNC_END: u8 = 4;
    pub(super) const WALKED: u8 = 5;
    pub(super) const REPAIRED: u8 = 6;
    pub(super) const GONE: u8 = 7;
}

/// Flag of a BEGIN: the resync is a scrub.
const BEGIN_SCRUB: u8 = 1;

// The length counts what follows it.
const _: () = assert!(RECORD_MAX <= u16::MAX as usize);
// Every status bit that is sent fits the field.
const _: () = assert!(Entry::STATUS_MASK <= u16::MAX as u32);

/// A record as it was understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// This connection is in the primary's table, like this.
    Upsert(Entry),
    /// The same, said by a resync: nothing need have changed.
    Walked(Entry),
    /// This connection is not in the primary's table.
    Delete(Key),
    /// A resync begins.
    ResyncBegin {
        /// Number of the resync in its stream, from 1.
        generation: u32,
        /// Whether it is for nobody, but to find what should not differ.
        scrub: bool,
    },
    /// A resync is complete.
    ResyncEnd(ResyncEnd),
    /// The present truth of all that these frames told of has been told since.
    Repaired(Range),
    /// What these frames told of is not known any more.
    Gone(Range),
    /// Of a type that this version does not know.
    Unknown,
}

/// What the end of a resync says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResyncEnd {
    /// Number that its BEGIN had.
    pub generation: u32,
    /// Connections that it told of.
    pub count: u32,
    /// Number of the frame that its BEGIN was in.
    pub begin: u64,
}

/// Writes one record of type `kind`.
fn record(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.prefixed_long(|w| {
        w.u8(kind);
        body(w);
    });
}

/// Bytes in which a record that says that `entry` is there fits.
pub(super) fn record_max(entry: &Entry) -> usize {
    HEAD_MAX + KEY_MAX + 2 + attributes_max(entry)
}

/// Writes the record that says that `entry` is there.
pub(super) fn put_upsert(w: &mut Writer<'_>, entry: &Entry) {
    record(w, kind::UPSERT, |w| put_entry(w, entry));
}

/// Writes the record by which a resync says that `entry` is there.
pub(super) fn put_walked(w: &mut Writer<'_>, entry: &Entry) {
    record(w, kind::WALKED, |w| put_entry(w, entry));
}

/// Writes what is said of a connection that is there.
fn put_entry(w: &mut Writer<'_>, entry: &Entry) {
    put_key(w, &entry.key);
    w.u16((entry.status & Entry::STATUS_MASK) as u16);
    put_attributes(w, entry);
}

/// Writes the record that says that `key` is not there.
pub(super) fn put_delete(w: &mut Writer<'_>, key: &Key) {
    record(w, kind::DELETE, |w| put_key(w, key));
}

/// Writes the record that begins a resync.
pub(super) fn put_resync_begin(w: &mut Writer<'_>, generation: u32, scrub: bool) {
    record(w, kind::RESYNC_BEGIN, |w| {
        w.u32(generation);
        w.u8(if scrub { BEGIN_SCRUB } else { 0 });
    });
}

/// Writes the record that ends a resync.
pub(super) fn put_resync_end(w: &mut Writer<'_>, end: &ResyncEnd) {
    record(w, kind::RESYNC_END, |w| {
        w.u32(end.generation);
        w.u32(end.count);
        w.u64(end.begin);
    });
}

/// Writes the record that says that lost frames have been made good.
pub(super) fn put_repaired(w: &mut Writer<'_>, range: Range) {
    record(w, kind::REPAIRED, |w| range.put(w));
}

/// Writes the record that says that lost frames can not be made good.
pub(super) fn put_gone(w: &mut Writer<'_>, range: Range) {
    record(w, kind::GONE, |w| range.put(w));
}

/// Writes what has to be remembered of a record for the case that it is lost: of a connection its
/// key, as a delete; of a BEGIN nothing, since nothing depends on it.
pub(super) fn put_remembered(w: &mut Writer<'_>, body: &[u8]) {
    let mut r = Reader(body);
    match r.u8() {
        Some(kind::UPSERT | kind::WALKED | kind::DELETE) => {
            let key = take_key_bytes(&mut r).unwrap_or_default();
            record(w, kind::DELETE, |w| w.put(key));
        }
        Some(kind::RESYNC_BEGIN) | None => {}
        Some(_) => w.prefixed_long(|w| w.put(body)),
    }
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
    let len = r.length()?;
    r.slice(len)
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
            kind::WALKED => take_upsert(&mut r, unknown_attributes).map(Record::Walked),
            kind::DELETE => take_delete(&mut r, unknown_attributes).map(Record::Delete),
            kind::RESYNC_BEGIN => Some(Record::ResyncBegin {
                generation: r.u32()?,
                scrub: r.u8()? & BEGIN_SCRUB != 0,
            }),
            kind::RESYNC_END => Some(Record::ResyncEnd(ResyncEnd {
                generation: r.u32()?,
                count: r.u32()?,
                begin: r.u64()?,
            })),
            kind::REPAIRED => Range::take(&mut r).map(Record::Repaired),
            kind::GONE => Range::take(&mut r).map(Record::Gone),
            _ => Some(Record::Unknown),
        }
    }
}

/// Reads a delete; it has no attributes in this version.
fn take_delete(r: &mut Reader<'_>, unknown_attributes: &mut u32) -> Option<Key> {
    let key = take_key(r)?;
    skip_attributes(r, unknown_attributes)?;
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
    take_attributes(r, &mut entry, unknown_attributes)?;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{FAMILY_V4, FAMILY_V6, POLICY_MAX, SECCTX_MAX, ZONE_DIR_BOTH};
    use super::super::{Endpoints, Extras};
    use super::*;

    /// The bytes of the one record that `write` writes.
    fn bytes(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut place = [0; RECORD_MAX];
        let mut w = Writer::new(&mut place);
        write(&mut w);
        let len = w.finish().unwrap();
        place[..len].to_vec()
    }

    /// Decodes the one record in `bytes`.
    fn decoded(bytes: &[u8]) -> Option<Record> {
        let mut records = Records::new(bytes, 1).unwrap();
        Record::decode(records.next().unwrap(), &mut 0)
    }

    fn v4(a: u8, b: u8, c: u8, d: u8) -> [u8; 16] {
        [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    /// 10.0.0.2:40000 to 198.51.100.7:443, TCP, established, no NAT.
    fn plain() -> Entry {
        let key = Key {
            original: Endpoints {
                src: v4(10, 0, 0, 2),
                dst: v4(198, 51, 100, 7),
                src_port: 40000,
                dst_port: 443,
            },
            zone: 0,
            zone_dir: ZONE_DIR_BOTH,
            family: FAMILY_V4,
            protocol: 6,
            ..Key::default()
        };
        Entry {
            key,
            reply: inverse(&key),
            status: Entry::SEEN_REPLY | Entry::ASSURED,
            state: 3,
            tcp_scale: [7, 9],
            tcp_flags: [0x23, 0x03],
            has: Entry::HAS_TCP,
            ..Entry::default()
        }
    }

    /// The same, translated in both directions: by 192.0.2.1:1024 to 10.9.9.9:8443.
    fn translated() -> Entry {
        let mut entry = plain();
        entry.reply.src = v4(10, 9, 9, 9);
        entry.reply.src_port = 8443;
        entry.reply.dst = v4(192, 0, 2, 1);
        entry.reply.dst_port = 1024;
        entry.status |= Entry::SRC_NAT | Entry::DST_NAT;
        entry
    }

    /// The largest entry that there is.
    fn largest() -> Entry {
        let mut entry = translated();
        entry.key.family = FAMILY_V6;
        entry.key.zone = 9;
        entry.reply.src = [1; 16];
        entry.reply.dst = [2; 16];
        entry.mark = u32::MAX;
        entry.status |= Entry::FIXED_TIMEOUT;
        entry.timeout_s = 432_000;
        entry.has |= Entry::HAS_TCP_WINDOW;
        entry.tcp_window[1].max_ack = 0xdead_beef;
        entry.extras = Extras {
            started_ns: 1,
            labels: [1, 1 << 63],
            secctx: [b's'; SECCTX_MAX],
            secctx_length: SECCTX_MAX as u8,
            policy_length: POLICY_MAX as u8,
            has: Extras::HAS_SYNPROXY | Extras::HAS_COUNTERS,
            ..Extras::NONE
        };
        entry
    }

    const UPDATE: [u8; 24] = [
        23, 1, // length, UPSERT
        0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
        0x00, 0x06, // status: SEEN_REPLY, ASSURED
        2, 4, 3, 0x79, 0x23, 0x03, // TCP: ESTABLISHED, scales 7 and 9, flags
    ];

    const INSERT: [u8; 39] = [
        38, 1, // length, UPSERT
        0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
        0x00, 0x36, // status: SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT
        1, 13, 0x0f, 10, 9, 9, 9, 192, 0, 2, 1, 0x20, 0xfb, 0x04, 0x00, // REPLY
        2, 4, 3, 0x79, 0x23, 0x03, // TCP
    ];

    const DELETE: [u8; 16] = [
        15, 2, // length, DELETE
        0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
    ];

    #[test]
    fn literal_bytes() {
        assert_eq!(bytes(|w| put_upsert(w, &plain())), UPDATE);
        assert_eq!(bytes(|w| put_upsert(w, &translated())), INSERT);
        assert_eq!(bytes(|w| put_delete(w, &plain().key)), DELETE);
    }

    #[test]
    fn literal_bytes_of_markers() {
        let begin = |scrub| bytes(|w| put_resync_begin(w, 7, scrub));
        assert_eq!(begin(false), [6, 3, 0, 0, 0, 7, 0]);
        assert_eq!(begin(true), [6, 3, 0, 0, 0, 7, 1]);
        let end = ResyncEnd {
            generation: 7,
            count: 258,
            begin: 9,
        };
        assert_eq!(
            bytes(|w| put_resync_end(w, &end)),
            [17, 4, 0, 0, 0, 7, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9]
        );
        let range = Range { first: 3, last: 5 };
        let repaired = [17, 6, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5];
        assert_eq!(bytes(|w| put_repaired(w, range)), repaired);
        let gone = bytes(|w| put_gone(w, range));
        assert_eq!(gone[..2], [17, 7]);
        assert_eq!(decoded(&gone), Some(Record::Gone(range)));
        assert_eq!(gone.len(), MARKER_MAX, "no more than is needed");
        let mut backwards = gone.clone();
        backwards[9] = 6;
        assert_eq!(decoded(&backwards), None, "the first is behind the last");
    }

    #[test]
    fn keys_and_markers_are_remembered() {
        let remembered = |body: &[u8]| bytes(|w| put_remembered(w, body));
        assert_eq!(remembered(&UPDATE[1..]), DELETE);
        assert_eq!(remembered(&DELETE[1..]), DELETE);
        let mut large = bytes(|w| put_walked(w, &largest()));
        let key = bytes(|w| put_delete(w, &largest().key));
        assert_eq!(remembered(&large.split_off(3)), key);
        let end = bytes(|w| put_resync_end(w, &ResyncEnd::default()));
        assert_eq!(remembered(&end[1..]), end);
        let begin = bytes(|w| put_resync_begin(w, 1, false));
        assert!(remembered(&begin[1..]).is_empty());
    }

    #[test]
    fn literal_bytes_of_a_zone() {
        let mut key = plain().key;
        (key.zone, key.zone_dir) = (0x1234, 1);
        let written = bytes(|w| put_delete(w, &key));
        assert_eq!(written[..7], [18, 2, 2, 0x12, 0x34, 1, 6]);
        assert_eq!(decoded(&written), Some(Record::Delete(key)));
    }

    #[test]
    fn everything_comes_back() {
        for entry in [plain(), translated(), largest()] {
            let written = bytes(|w| put_upsert(w, &entry));
            assert_eq!(decoded(&written), Some(Record::Upsert(entry)));
        }
        let longest = bytes(|w| put_upsert(w, &largest()));
        assert_eq!(longest.len(), RECORD_MAX, "no more than is needed");
        assert_eq!(record_max(&largest()), RECORD_MAX);
        assert!(record_max(&translated()) == RECORD_COMMON && RECORD_COMMON < RECORD_MAX);
    }

    #[test]
    fn long_records_have_long_lengths() {
        for (length, head) in [
            (253, vec![254]),
            (254, vec![255, 0, 255]),
            (400, vec![255, 1, 145]),
        ] {
            let mut place = [0; 500];
            let mut w = Writer::new(&mut place);
            record(&mut w, 99, |w| (0..length).for_each(|n| w.u8(n as u8)));
            put_delete(&mut w, &plain().key);
            let end = w.finish().unwrap();
            assert_eq!(end, head.len() + 1 + length + DELETE.len());
            let written = &place[..end];
            assert_eq!(written[..head.len()], head);
            let bodies: Vec<_> = Records::new(written, 2).unwrap().collect();
            let content = (0..length).map(|n| n as u8);
            assert!(bodies[0]
                .iter()
                .copied()
                .eq([99].into_iter().chain(content)));
            assert_eq!(bodies[1], &DELETE[1..]);
            // One byte less than is needed.
            let mut short = vec![0; head.len() + length];
            let mut w = Writer::new(&mut short);
            record(&mut w, 99, |w| (0..length).for_each(|n| w.u8(n as u8)));
            assert_eq!(w.finish(), None);
        }
        let refused = |bytes: &[u8]| Records::new(bytes, 1).err();
        for cut in [[255].as_slice(), &[255, 0], &[255, 1, 0, 1]] {
            assert_eq!(refused(cut), Some(Counter::FramesRecordOverrun));
        }
    }

    #[test]
    fn hints_stay_at_home() {
        let mut key = plain().key;
        key.hints = Key::DESTROYED;
        assert_eq!(bytes(|w| put_delete(w, &key)), DELETE);
    }

    /// A change of one byte of `UPDATE` and what it makes of it.
    #[test]
    fn values_out_of_range_are_malformed() {
        let with = |at: usize, value: u8| {
            let mut record = UPDATE;
            record[at] = value;
            decoded(&record)
        };
        assert!(with(20, 9).is_some(), "last state of TCP");
        assert_eq!(with(20, 10), None, "no state of TCP");
        assert!(with(21, 0xee).is_some(), "largest scales");
        assert_eq!(with(21, 0xf0), None, "scale too large");
        assert_eq!(with(21, 0x0f), None, "scale of the reply too large");
        assert_eq!(with(3, 0), None, "no protocol");
        assert_eq!(with(3, 17), None, "TCP attribute of UDP");
        assert_eq!(with(2, 4), None, "unknown key flag");
        assert_eq!(with(16, 0x04), None, "fixed timeout without a timeout");
        assert_eq!(with(19, 5), None, "attribute beyond the record");
        assert_eq!(with(19, 3), None, "attribute too short");
    }

    #[test]
    fn zone_directions_out_of_range_are_malformed() {
        let mut key = plain().key;
        (key.zone, key.zone_dir) = (1, 1);
        for (dir, good) in [(0, false), (1, true), (2, true), (3, true), (4, false)] {
            let mut written = bytes(|w| put_delete(w, &key));
            written[5] = dir;
            assert_eq!(decoded(&written).is_some(), good, "{dir}");
        }
    }

    #[test]
    fn what_is_not_known_is_skipped_and_counted() {
        let mut record = UPDATE.to_vec();
        record.extend([200, 2, 1, 1, 201, 0]);
        record[0] += 6;
        let mut unknown = 0;
        let got = Record::decode(&record[1..], &mut unknown);
        assert_eq!((got, unknown), (Some(Record::Upsert(plain())), 2));
        assert_eq!(Record::decode(&[99, 1, 2], &mut 0), Some(Record::Unknown));
    }

    #[test]
    fn framing_is_checked_before_anything_else() {
        let two = [UPDATE.as_slice(), DELETE.as_slice()].concat();
        assert_eq!(Records::new(&two, 2).unwrap().count(), 2);
        let refused = |bytes: &[u8], count| Records::new(bytes, count).err();
        assert_eq!(refused(&two, 3), Some(Counter::FramesRecordOverrun));
        assert_eq!(refused(&two, 1), Some(Counter::FramesTrailingGarbage));
        let cut = &two[..two.len() - 1];
        assert_eq!(refused(cut, 2), Some(Counter::FramesRecordOverrun));
        assert_eq!(refused(&[], 0), None);
    }
}
