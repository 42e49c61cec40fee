// SPDX-License-Identifier: GPL-2.0

//! Records as they are written (§4), and how long they may become.

use super::attributes::{
    attributes_max, has_constant, put_attributes, put_variable, ATTRIBUTES_COMMON, ATTRIBUTES_MAX,
};
use super::bytes::{Writer, LENGTH_MAX};
use super::expectation::{self, EXPECTATION_MAX};
use super::key::{put_key, KEY_MAX};
use super::range::{put_range, RANGE_LEN};
use super::record::{kind, ResyncEnd, BEGIN_SCRUB};
use crate::proto::entry::Entry;
use crate::proto::expectation::Expectation;
use crate::proto::key::Key;
use crate::proto::range::Range;

/// Bytes of length and type.
const HEAD_MAX: usize = LENGTH_MAX + 1;
/// Longest record that is written, in bytes, with its length.
pub const RECORD_MAX: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_MAX;
/// The same of a connection that has no relations and nothing in extensions.
pub(in crate::proto) const RECORD_COMMON: usize = HEAD_MAX + KEY_MAX + 2 + ATTRIBUTES_COMMON;
/// The same of an expectation.
pub(in crate::proto) const RECORD_EXPECTATION: usize = 2 + EXPECTATION_MAX;
/// Longest record that is not about a connection, in bytes, with its length.
pub const MARKER_MAX: usize = 2 + RANGE_LEN;

// The length counts what follows it.
const _: () = assert!(RECORD_MAX <= u16::MAX as usize);
// Every status bit that is sent fits the field.
const _: () = assert!(Entry::STATUS_MASK <= u16::MAX as u32);

/// Writes one record of type `kind`.
pub(super) fn record(w: &mut Writer<'_>, kind: u8, body: impl FnOnce(&mut Writer<'_>)) {
    w.prefixed_long(|w| {
        w.u8(kind);
        body(w);
    });
}

/// Bytes in which a record that says that `entry` is there fits.
pub(in crate::proto) fn record_max(entry: &Entry) -> usize {
    HEAD_MAX + KEY_MAX + 2 + attributes_max(entry)
}

/// Writes the record that says that `entry` is there.
pub(in crate::proto) fn put_upsert(w: &mut Writer<'_>, entry: &Entry) {
    record(w, kind::UPSERT, |w| put_entry(w, entry));
}

/// Writes the record that says what is different of an entry that peers have been told of. It
/// says no less than an upsert if there is nothing to leave out.
pub(in crate::proto) fn put_update(w: &mut Writer<'_>, entry: &Entry) {
    if !has_constant(entry) {
        return put_upsert(w, entry);
    }
    record(w, kind::UPDATE, |w| {
        put_head(w, entry);
        put_variable(w, entry);
    });
}

/// Writes the record by which a resync says that `entry` is there.
pub(in crate::proto) fn put_walked(w: &mut Writer<'_>, entry: &Entry) {
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
pub(in crate::proto) fn put_delete(w: &mut Writer<'_>, key: &Key) {
    record(w, kind::DELETE, |w| put_key(w, key));
}

/// Writes the record that begins a resync.
pub(in crate::proto) fn put_resync_begin(w: &mut Writer<'_>, generation: u32, scrub: bool) {
    record(w, kind::RESYNC_BEGIN, |w| {
        w.u32(generation);
        w.u8(if scrub { BEGIN_SCRUB } else { 0 });
    });
}

/// Writes the record that ends a resync.
pub(in crate::proto) fn put_resync_end(w: &mut Writer<'_>, end: &ResyncEnd) {
    record(w, kind::RESYNC_END, |w| {
        w.u32(end.generation);
        w.u32(end.count);
        w.u64(end.begin);
    });
}

/// Writes the record that says that lost frames have been made good.
pub(in crate::proto) fn put_repaired(w: &mut Writer<'_>, range: Range) {
    record(w, kind::REPAIRED, |w| put_range(w, &range));
}

/// Writes the record that says that lost frames can not be made good.
pub(in crate::proto) fn put_gone(w: &mut Writer<'_>, range: Range) {
    record(w, kind::GONE, |w| put_range(w, &range));
}

/// Writes the record that says that the connection `master` expects another one.
pub(in crate::proto) fn put_expectation(
    w: &mut Writer<'_>,
    master: &Key,
    expectation: &Expectation,
) {
    record(w, kind::EXPECTATION, |w| {
        expectation::put_expectation(w, master, expectation);
    });
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, Records};
    use super::super::samples::*;
    use super::*;
    use crate::proto::relations::Relations;
    use crate::stats::Counter;

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
    fn literal_bytes_of_a_zone() {
        let mut key = plain().key;
        (key.zone, key.zone_dir) = (0x1234, 1);
        let written = bytes(|w| put_delete(w, &key));
        assert_eq!(written[..7], [18, 2, 2, 0x12, 0x34, 1, 6]);
        assert_eq!(decoded(&written), Some(Record::Delete(key)));
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
    fn hints_stay_at_home() {
        let mut key = plain().key;
        key.hints = Key::DESTROYED;
        assert_eq!(bytes(|w| put_delete(w, &key)), DELETE);
    }
}
