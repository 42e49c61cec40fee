// SPDX-License-Identifier: GPL-2.0

//! Records as they are read: one connection, or one mark in the stream, each with a length before
//! it (§4). How they are written is in `write.rs`.

use super::attribute;
use super::attributes::take_attributes;
use super::bytes::Reader;
use super::expectation::take_expectation;
use super::key::take_key;
use super::range::take_range;
use crate::proto::entry::Entry;
use crate::proto::expectation::Expectation;
use crate::proto::inverse::inverse;
use crate::proto::key::Key;
use crate::proto::range::Range;
use crate::stats::Counter;

/// Types of records.
pub(super) mod kind {
    pub(in crate::proto::wire) const UPSERT: u8 = 1;
    pub(in crate::proto::wire) const DELETE: u8 = 2;
    pub(in crate::proto::wire) const RESYNC_BEGIN: u8 = 3;
    pub(in crate::proto::wire) const RESYNC_END: u8 = 4;
    pub(in crate::proto::wire) const WALKED: u8 = 5;
    pub(in crate::proto::wire) const REPAIRED: u8 = 6;
    pub(in crate::proto::wire) const GONE: u8 = 7;
    pub(in crate::proto::wire) const UPDATE: u8 = 8;
    pub(in crate::proto::wire) const EXPECTATION: u8 = 9;
}

/// Flag of a BEGIN: the resync is a scrub.
pub(super) const BEGIN_SCRUB: u8 = 1;

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
            kind::REPAIRED => take_range(&mut r).map(Record::Repaired),
            kind::GONE => take_range(&mut r).map(Record::Gone),
            kind::EXPECTATION => take_expectation(&mut r, unknown_attributes)
                .map(|(master, expectation)| Record::Expectation(master, expectation)),
            _ => Some(Record::Unknown),
        }
    }
}

/// Reads a delete; it has no attributes in this version.
fn take_delete(r: &mut Reader<'_>, unknown_attributes: &mut u32) -> Option<Key> {
    let key = take_key(r)?;
    attribute::skip_all(r, unknown_attributes)?;
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
    use super::super::expectation::EXPECTATION_MAX;
    use super::super::samples::{bytes, decoded, plain, translated, CHANGE, DELETE, UPDATE};
    use super::super::samples::{expectation, largest, of_ftp};
    use super::super::write::*;
    use super::*;

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
        let masquerade = 2 + 1;
        assert_eq!(large.len(), RECORD_MAX - reply - masquerade);
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
    fn expectations_come_back() {
        for (entry, expectation) in [of_ftp(), (largest(), expectation())] {
            let written = bytes(|w| put_expectation(w, &entry.key, &expectation));
            let got = decoded(&written);
            assert_eq!(got, Some(Record::Expectation(entry.key, expectation)));
        }
        let longest = bytes(|w| put_expectation(w, &largest().key, &expectation()));
        assert_eq!(longest.len(), 2 + EXPECTATION_MAX, "no more than is needed");
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
