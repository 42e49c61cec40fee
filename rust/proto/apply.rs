// SPDX-License-Identifier: GPL-2.0

//! What a follower does with the records of its stream: it applies them to the table, and notes what
//! this node lacks because of that (§4, §8.2).

use super::entry::Entry;
use super::follower::Follower;
use super::key::Key;
use super::outcome::{Applied, Expected};
use super::range::Range;
use super::resync::Sweep;
use super::table::Table;
use super::time::Time;
use super::wire::header::Header;
use super::wire::record::{Record, Records};
use crate::stats::{Counter, Stats};

impl Follower {
    /// Applies the records of a data frame of the stream that is followed.
    ///
    /// Returns whether the primary waits to be told how far this node is.
    ///
    /// # Errors
    ///
    /// [`Counter::FramesLate`] if its number has passed.
    pub(super) fn take_records(
        &mut self,
        header: &Header,
        records: Records<'_>,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) -> Result<bool, Counter> {
        self.take(header.seq, now, stats)?;
        stats.add(Counter::RecordsReceived, u64::from(header.count));
        for body in records {
            self.apply(body, now, table, stats);
        }
        let report = self.reports.note_frame();
        if let Some(sweep) = self.finish(now, stats) {
            self.sweep(sweep, table, stats);
        }
        Ok(report)
    }

    /// Deletes what a resync has not told of.
    fn sweep(&mut self, sweep: Sweep, table: &mut impl Table, stats: &Stats) {
        let mark = self.stamp(table);
        let swept = u64::from(table.sweep(mark));
        self.marks.note_whole();
        stats.add(Counter::EntriesSwept, swept);
        if sweep == Sweep::Scrub {
            stats.add(Counter::ScrubCorrections, swept);
        }
    }

    /// The mark for connections that a record tells of now.
    fn stamp(&mut self, table: &mut impl Table) -> u8 {
        if self.resync.take_restamp() {
            self.marks.advance_in(table);
        }
        self.marks.mark()
    }

    /// Applies one record.
    fn apply(&mut self, body: &[u8], now: Time, table: &mut impl Table, stats: &Stats) {
        let mut unknown = 0;
        let record = Record::decode(body, &mut unknown);
        stats.add(Counter::RecordsUnknownAttribute, u64::from(unknown));
        match record {
            Some(Record::Upsert(entry)) => {
                self.upsert(&entry, now, table, stats);
                self.suspects.explain(&entry.key);
            }
            Some(Record::Walked(entry)) => {
                self.reports.note_walked();
                let applied = self.upsert(&entry, now, table, stats);
                self.suspect(&entry.key, applied, now, stats);
            }
            Some(Record::Update(entry)) => self.update(&entry, now, table, stats),
            Some(Record::Delete(key)) => {
                self.resync.note_told();
                self.note_applied(table.delete(&key), now, stats);
                self.suspects.explain(&key);
            }
            Some(Record::Expectation(master, expectation)) => {
                stats.count(match table.expect(&master, &expectation) {
                    Expected::Added => Counter::ExpectationsAdded,
                    Expected::Known => Counter::ExpectationsKnown,
                    Expected::Refused => Counter::ExpectationsRefused,
                });
            }
            Some(Record::ResyncBegin { generation, scrub }) => self.begin(generation, scrub),
            Some(Record::ResyncEnd(end)) => self.end(end),
            Some(Record::Repaired(range)) => self.numbers.repaired(range, stats),
            Some(Record::Gone(range)) => self.gone(range, stats),
            Some(Record::Unknown) => stats.count(Counter::RecordsUnknownType),
            None => stats.count(Counter::RecordsMalformed),
        }
    }

    /// Makes the table hold an entry.
    fn upsert(
        &mut self,
        entry: &Entry,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) -> Applied {
        self.resync.note_told();
        let mark = self.stamp(table);
        let applied = table.upsert(entry, mark);
        self.note_applied(applied, now, stats);
        applied
    }

    /// Makes an entry that the table holds be as the primary's is now. What is not there can not be
    /// made of it.
    fn update(&mut self, entry: &Entry, now: Time, table: &mut impl Table, stats: &Stats) {
        let mark = self.stamp(table);
        let applied = table.update(entry, mark);
        stats.count(applied.counter());
        if applied == Applied::Incomplete {
            self.note_incomplete(now);
        } else {
            self.suspects.explain(&entry.key);
        }
    }

    /// Takes the news that a record of the last frame is an update of a connection that is not
    /// here.
    ///
    /// Mostly its beginning is known to be missing: it was lost, or a resync will tell of it, or it
    /// was refused. If not, it has got lost on this node, and the frame counts as missing, so that
    /// it is told of again as a whole.
    fn note_incomplete(&mut self, now: Time) {
        let frame = Range::one(self.numbers.last());
        let lost = self.numbers.has_lost();
        let refused = self.lacks.has_refused(now);
        if self.is_told() && !lost && !refused && !self.numbers.lacks(&frame) {
            self.numbers.miss(frame, now);
        }
    }

    /// Notes a difference that a scrub has found.
    fn suspect(&mut self, key: &Key, applied: Applied, now: Time, stats: &Stats) {
        let different = matches!(
            applied,
            Applied::Inserted | Applied::Updated | Applied::ReplacedLocal
        );
        let scrubs = self.resync.in_scrub() && self.numbers.is_whole();
        if different && scrubs {
            stats.add(Counter::ScrubCorrections, self.suspects.add(key, now));
        }
    }

    /// Counts what became of a record, and notes what this node lacks because of it.
    fn note_applied(&mut self, applied: Applied, now: Time, stats: &Stats) {
        let seq = self.numbers.last();
        match applied {
            Applied::TableFull | Applied::NoMemory | Applied::Busy => {
                self.lacks.note_no_room(seq, now);
            }
            Applied::Conflict
            | Applied::UnsupportedProtocol
            | Applied::NatDiverged
            | Applied::Refused => self.lacks.note_refused(seq, now),
            _ => {}
        }
        stats.count(applied.counter());
    }
}
