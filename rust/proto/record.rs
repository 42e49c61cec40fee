// SPDX-License-Identifier: GPL-2.0

//! Records: one connection, or one mark in the stream, each with a length before it (§4).

use super::attribute::{
    attributes_max, has_constant, put_attributes, put_variable, skip_attributes, take_attributes,
    ATTRIBUTES_COMMON, ATTRIBUTES_MAX,
};
use super::bytes::{Reader, Writer, LENGTH_MAX};
use super::entry::{Entry, Key};
use super::expectation::{self, Expectation, EXPECTATION_MAX};
use super::gaps::Range;
use super::inverse::inverse;
use super::key::{put_key, take_key, take_key_bytes, KEY_MAX};
use crate::stats::Counter;

/// Bytes of length and type.
const HEAD_MAX: usize = LENGTH_MAX + 1;
/// Longest record that is written, in bytes, with its length.
pub const RECORD_MAX: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_MAX;
/// The same of a connection that has no relations and nothing in extensions.
pub(super) const RECORD_COMMON: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_COMMON;
/// The same of an expectation.
pub(super) const RECORD_EXPECTATION: usize = 2 + EXPECTATION_MAX;
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
    pub(super) const UPDATE: u8 = 8;
    pub(super) const EXPECTATION: u8 = 9;
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
    /// The same of a connection that was told of before: its reply is as it was, and not in here.
    Update(Entry),
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
    /// This connection expects another one.
    Expectation(Key, Expectation),
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

/// Writes the record that says what is different of an entry that peers have been told of. It
/// says no less than an upsert if there is nothing to leave out.
pub(super) fn put_update(w: &mut Writer<'_>, entry: &Entry) {
    if !has_constant(entry) {
        return put_upsert(w, entry);
    }
    record(w, kind::UPDATE, |w| {
        put_head(w, entry);
        put_variable(w, entry);
    });
}

/// Writes the record by which a resync says that `entry` is there.
pub(super) fn put_walked(w: &mut Writer<'_>, entry: &Entry) {
    record(w, kind::WALKED, |w| put_entry(w, entry));
}

/// Writes what is said of a connection that is there.
fn put_entry(w: &mut Writer<'_>, entry: &Entry) {
    put_head(w, entry);
    put_attributes(w, entry);
}

/// Writes the key and the status of an entry.
fn put_head(w: &mut Writer<'_>, entry: &Entry) {
    put_key(w, &entry.key);
    w.u16((entry.status & Entry::STATUS_MASK) as u16);
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

/// Writes the record that says that the connection `master` expects another one.
pub(super) fn put_expectation(w: &mut Writer<'_>, master: &Key, expectation: &Expectation) {
    record(w, kind::EXPECTATION, |w| {
        expectation::put_expectation(w, master, expectation);
    });
}

/// Writes what has to be remembered of a record for the case that it is lost: of a connection its
/// key, as a delete; of a BEGIN nothing, since nothing depends on it.
pub(super) fn put_remembered(w: &mut Writer<'_>, body: &[u8]) {
    let mut r = Reader(body);
    match r.u8() {
        Some(kind::UPSERT | kind::UPDATE | kind::WALKED | kind::DELETE | kind::EXPECTATION) => {
            let key = take_key_bytes(&mut r).unwrap_or_default();
            record(w, kind::DELETE, |w| w.put(key));
        }
        Some(kind::RESYNC_BEGIN) | None => {}
        Some(_) => w.prefixed_long(|w| w.put(body)),
    }
}

/// Whether a record says what the connection of the record `before` it expects: then it is told
/// anew with that one.
pub(super) fn expects(body: &[u8], before: &[u8]) -> bool {
    let (mut body, mut before) = (Reader(body), Reader(before));
    let known = [kind::UPSERT, kind::UPDATE, kind::WALKED, kind::EXPECTATION].map(Some);
    body.u8() == Some(kind::EXPECTATION)
        && known.contains(&before.u8())
        && take_key_bytes(&mut body) == take_key_bytes(&mut before)
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
            kind::UPDATE => take_upsert(&mut r, unknown_attributes).map(Record::Update),
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
            kind::EXPECTATION => expectation::take_expectation(&mut r, unknown_attributes)
                .map(|(master, expectation)| Record::Expectation(master, expectation)),
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

/// Reads an upsert, or what is like it.
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
    use super::super::relations::{Relations, SeqAdj, EXPECTATIONS_MAX};
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

    /// A name of `N` letters with a NUL behind.
    fn name<const N: usize>() -> [u8; N] {
        let mut name = [b'n'; N];
        name[N - 1] = 0;
        name
    }

    /// All that there can be.
    fn relations() -> Relations {
        let seqadj = |position| SeqAdj {
            position,
            before: -1,
            after: 7,
        };
        Relations {
            seqadj: [seqadj(1), seqadj(2)],
            master: translated().reply,
            helper: name(),
            master_helper: name(),
            master_protocol: 6,
            expectations: EXPECTATIONS_MAX,
            ..Relations::default()
        }
    }

    /// The largest expectation that there is.
    fn expectation() -> Expectation {
        let reply = translated().reply;
        Expectation {
            tuple: reply,
            source_mask: v4(255, 255, 255, 0),
            source_port_mask: 0xffff,
            nat_port: 40000,
            nat_address: v4(10, 0, 0, 2),
            timeout_s: 300,
            function: name(),
            helper: name(),
            protocol: 17,
            flags: 1,
            class: 3,
            direction: 1,
            index: 4,
            count: 5,
            ..Expectation::default()
        }
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
        entry.relations = relations();
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

    const CHANGE: [u8; 24] = [
        23, 8, // length, UPDATE
        0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
        0x00, 0x36, // status: SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT
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
        assert_eq!(bytes(|w| put_update(w, &translated())), CHANGE);
        assert_eq!(
            bytes(|w| put_update(w, &plain())),
            UPDATE,
            "nothing to leave out"
        );
    }

    #[test]
    fn an_update_leaves_the_reply_out() {
        let Some(Record::Update(entry)) = decoded(&CHANGE) else {
            panic!("not an update");
        };
        let mut expected = translated();
        expected.reply = inverse(&expected.key);
        assert_eq!(entry, expected);
        let large = bytes(|w| put_update(w, &largest()));
        let reply = 2 + 1 + 2 * 16 + 2 * 2;
        assert_eq!(large.len(), RECORD_MAX - reply);
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
        assert_eq!(remembered(&CHANGE[1..]), DELETE);
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

    /// The client of an FTP connection waits for the server at port 1024 of the outer address.
    fn of_ftp() -> (Entry, Expectation) {
        let mut entry = plain();
        entry.key.original.dst_port = 21;
        entry.reply.src_port = 21;
        entry.relations.helper[..3].copy_from_slice(b"ftp");
        entry.relations.expectations = 1;
        entry.relations.seqadj[0] = SeqAdj {
            position: 0x0102_0304,
            before: 0,
            after: -2,
        };
        let mut expectation = Expectation {
            source_mask: v4(255, 255, 255, 255),
            nat_port: 40001,
            timeout_s: 300,
            protocol: 6,
            direction: 1,
            count: 1,
            ..Expectation::default()
        };
        expectation.tuple.src = entry.key.original.dst;
        expectation.tuple.dst = v4(192, 0, 2, 1);
        expectation.tuple.dst_port = 1024;
        expectation.function[..17].copy_from_slice(b"nat-follow-master");
        (entry, expectation)
    }

    #[test]
    fn literal_bytes_of_relations() {
        let (mut entry, expectation) = of_ftp();
        let written = bytes(|w| put_upsert(w, &entry));
        assert_eq!(
            written[24..],
            [
                7, 3, b'f', b't', b'p', // HELPER
                9, 13, 1, 1, 2, 3, 4, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe, // SEQADJ
                10, 1, 1, // EXPECTED
            ]
        );
        entry.relations = Relations {
            master: plain().key.original,
            master_protocol: 6,
            master_helper: entry.relations.helper,
            ..Relations::default()
        };
        let written = bytes(|w| put_upsert(w, &entry));
        assert_eq!(
            written[24..],
            [8, 16, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, b'f', b't', b'p',]
        );
        let written = bytes(|w| put_expectation(w, &entry.key, &expectation));
        assert_eq!(
            written[..31],
            [
                68, 9, // length, EXPECTATION
                0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0, 21, // key
                0, 1, 0, 0, 0, 0, 0x01, 0x2c, // first of one, no flags, class 0, 300 s
                6, 192, 0, 2, 1, 0x04, 0x00, // TCP to 192.0.2.1:1024
            ]
        );
        assert_eq!(
            written[31..49],
            [1, 8, 198, 51, 100, 7, 255, 255, 255, 255, 3, 7, 1, 0, 0, 0, 0, 0x9c],
            "SOURCE, NAT"
        );
        assert_eq!(written[49..52], [0x41, 4, 17]);
        assert_eq!(written[52..], *b"nat-follow-master");
    }

    #[test]
    fn expectations_come_back() {
        for (entry, expectation) in [of_ftp(), (largest(), expectation())] {
            let written = bytes(|w| put_expectation(w, &entry.key, &expectation));
            let got = decoded(&written);
            assert_eq!(got, Some(Record::Expectation(entry.key, expectation)));
        }
        let longest = bytes(|w| put_expectation(w, &largest().key, &expectation()));
        assert_eq!(longest.len(), 2 + EXPECTATION_MAX, "no more than is needed");
    }

    #[test]
    fn relations_out_of_range_are_malformed() {
        let upsert = |attribute: &[u8]| {
            let record = [&UPDATE[1..], attribute].concat();
            Record::decode(&record, &mut 0).is_some()
        };
        assert!(upsert(b"\x07\x0fabcdefghijklmno"), "longest name");
        assert!(!upsert(b"\x07\x10abcdefghijklmnop"), "name too long");
        assert!(!upsert(&[7, 0]), "no name");
        assert!(!upsert(b"\x07\x02a/"), "no letter of a name");
        assert!(!upsert(&[7, 2, b'a', 0]), "NUL in a name");
        let master = |protocol| {
            let mut attribute = [8; 15];
            (attribute[1], attribute[2]) = (13, protocol);
            upsert(&attribute)
        };
        assert!(master(6));
        assert!(!master(0), "no protocol");
        assert!(upsert(&[9, 1, 0]), "nothing changed");
        assert!(!upsert(&[9, 1, 1]), "cut short");
        assert!(upsert(&[10, 1, EXPECTATIONS_MAX]));
        assert!(!upsert(&[10, 1, EXPECTATIONS_MAX + 1]), "too many");
        let (entry, expectation) = of_ftp();
        let written = bytes(|w| put_expectation(w, &entry.key, &expectation));
        let with = |at: usize, value: u8| {
            let mut record = written.clone();
            record[at] = value;
            decoded(&record).is_some()
        };
        assert!(!with(16, 1), "index behind the end");
        assert!(with(17, EXPECTATIONS_MAX));
        assert!(!with(17, EXPECTATIONS_MAX + 1), "too many");
        assert!(with(18, 3), "all flags");
        assert!(!with(18, 4), "unknown flag");
        assert!(with(19, 3), "last class");
        assert!(!with(19, 4), "no class");
        assert!(!with(24, 0), "no protocol");
        assert!(!with(43, 2), "no direction");
        assert!(!with(32, 7), "mask cut short");
    }

    #[test]
    fn what_is_expected_is_remembered_with_the_connection() {
        let (entry, expectation) = of_ftp();
        let upsert = bytes(|w| put_upsert(w, &entry));
        let expected = bytes(|w| put_expectation(w, &entry.key, &expectation));
        let delete = bytes(|w| put_delete(w, &entry.key));
        assert_eq!(bytes(|w| put_remembered(w, &expected[1..])), delete);
        assert!(expects(&expected[1..], &upsert[1..]));
        assert!(expects(&expected[1..], &expected[1..]));
        assert!(!expects(&expected[1..], &[]));
        assert!(!expects(&expected[1..], &delete[1..]), "it is over by then");
        assert!(!expects(&expected[1..], &UPDATE[1..]), "another connection");
        assert!(!expects(&upsert[1..], &upsert[1..]));
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
