// SPDX-License-Identifier: GPL-2.0

//! What a node says as primary: its stream, with the frame that is being filled, the backlog for
//! repairs and the walk of the table (§4, §7.2, §8.1).
//!
//! A tenure knows nothing of what its node follows, nor of others' tenures: time, peers, counters and
//! settings are arguments. It is over with the demotion, but its last frame still leaves then.

use super::backlog::{self, Backlog};
use super::config::Config;
use super::entry::Entry;
use super::expectation::Expectation;
use super::frame::FrameBuilder;
use super::hold::Hold;
use super::key::Key;
use super::marks::Marks;
use super::peers::Peers;
use super::range::Range;
use super::stream::Stream;
use super::table::Truth;
use super::tail::Tail;
use super::time::Time;
use super::walker::{Step, Walk, Walker};
use super::wire::bytes::Writer;
use super::wire::control::{Nack, RangeIter, ResyncRequest};
use super::wire::header::{Header, Kind, FLAG_PRIMARY, HEADER_LEN};
use super::wire::write;
use crate::stats::{Counter, Stats};

/// A node as primary, now or the last time.
pub(super) struct Tenure {
    stream: Stream,
    /// Last number used in it.
    seq: u64,
    /// Marks of the table that is walked.
    pub(super) marks: Marks,
    frame: FrameBuilder,
    /// Whether a record in it was not a walk's.
    frame_live: bool,
    backlog: Backlog,
    walker: Walker,
    hold: Hold,
    /// Whether the caller is yet to be told to start a walk.
    walk_restart: bool,
    /// Heartbeats behind its last frame.
    pub(super) tail: Tail,
}

impl Tenure {
    /// That of a node which was never primary.
    pub(super) fn new(config: &Config, frame: FrameBuilder, backlog: Backlog) -> Self {
        Self {
            stream: Stream::NONE,
            seq: 0,
            marks: Marks::NEW,
            frame,
            frame_live: false,
            backlog,
            walker: Walker::new(config.resync_rate, config.scrub_interval),
            hold: Hold::NONE,
            walk_restart: false,
            tail: Tail::NONE,
        }
    }

    /// Changes the settings.
    pub(super) fn configure(&mut self, config: &Config) {
        self.frame.set_limit(config.frame_max);
        self.walker
            .configure(config.resync_rate, config.scrub_interval);
    }

    /// Its stream.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The last number that was used in it.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Starts a stream: numbers from 1, and a walk for the backups.
    pub(super) fn start(&mut self, stream: Stream) {
        self.stream = stream;
        self.seq = 0;
        self.frame.clear();
        self.stop();
        self.walker.want();
    }

    /// Ends what is under way: walks, repairs and heartbeats behind the last frame. Records that wait
    /// in the frame stay there.
    pub(super) fn stop(&mut self) {
        self.walker.reset();
        self.hold.release();
        self.backlog.clear();
        self.tail = Tail::NONE;
    }

    /// Whether a record of `need` bytes has room in the frame that is being filled.
    pub(super) fn has_room(&mut self, need: usize) -> bool {
        self.frame.has_room(need)
    }

    /// Tells the backups what is true of a key.
    pub(super) fn tell(&mut self, truth: Truth<'_>, now: Time, stats: &Stats) {
        self.frame_live = true;
        self.append(now, stats, |w| match truth {
            Truth::Present(entry) => write::put_upsert(w, entry),
            Truth::Changed(entry) => write::put_update(w, entry),
            Truth::Absent(key) => write::put_delete(w, key),
        });
    }

    /// Tells the backups of what the connection `master` expects.
    pub(super) fn tell_expectation(
        &mut self,
        master: &Key,
        expectation: &Expectation,
        now: Time,
        stats: &Stats,
    ) {
        self.frame_live = true;
        self.append(now, stats, |w| {
            write::put_expectation(w, master, expectation);
        });
    }

    /// Tells the backups of an entry that the walk found, if one is running.
    pub(super) fn tell_walked(&mut self, entry: &Entry, now: Time, stats: &Stats) {
        if self.walker.tell() {
            self.append(now, stats, |w| write::put_walked(w, entry));
        }
    }

    /// Takes the news that the walk has come to the end of the table.
    pub(super) fn end_walk(&mut self, now: Time) {
        self.walker.end(now);
        self.marks.note_whole();
    }

    /// Asks for a walk.
    pub(super) fn want_walk(&mut self) {
        self.walker.want();
    }

    /// The part of the table that is to be told of now, if a walk is wanted. `table_count` is how
    /// many entries there are; `fresh_ns` for how long a silent peer is waited for.
    pub(super) fn poll_walk(
        &mut self,
        now: Time,
        table_count: u32,
        peers: &Peers,
        fresh_ns: u64,
        stats: &Stats,
    ) -> Option<Walk> {
        if !self.frame.is_open() {
            return None;
        }
        match self.walker.step(now) {
            Step::Begin { scrub } => self.begin_walk(scrub, table_count, now, stats),
            Step::End(end) => {
                self.append(now, stats, |w| write::put_resync_end(w, &end));
                self.walker.ended(now);
                stats.count(Counter::ResyncsServed);
            }
            Step::Go { .. } | Step::Rest => {}
        }
        let Step::Go { budget } = self.walker.step(now) else {
            return None;
        };
        let (stream, seq) = (&self.stream, self.seq);
        let ahead = || peers.most_behind(stream, seq, now, fresh_ns);
        if self.hold.waits(now, ahead) {
            return None;
        }
        Some(Walk {
            mark: self.marks.mark(),
            restart: core::mem::take(&mut self.walk_restart),
            budget: budget as usize,
        })
    }

    /// Begins a walk, with a BEGIN in the frame that is being filled.
    fn begin_walk(&mut self, scrub: bool, table_count: u32, now: Time, stats: &Stats) {
        let seq = self.seq.saturating_add(1);
        let generation = self.walker.begin(now, scrub, seq, table_count);
        self.marks.advance();
        self.hold.begin(scrub);
        self.walk_restart = true;
        self.append(now, stats, |w| {
            write::put_resync_begin(w, generation, scrub);
        });
    }

    /// The next connection of which backups have lost a record, if there is one and there is room.
    /// What else is to be said of lost frames is put into the frame that is being filled.
    pub(super) fn poll_repair(&mut self, now: Time, stats: &Stats) -> Option<Key> {
        while self.frame.is_open() {
            let by = self.seq.saturating_add(1);
            match self.backlog.step(self.seq)? {
                backlog::Step::Key(key) => {
                    stats.count(Counter::RecordsRepaired);
                    return Some(key);
                }
                backlog::Step::End(end) => {
                    self.append(now, stats, |w| write::put_resync_end(w, &end));
                }
                backlog::Step::Repaired(range) => {
                    self.append(now, stats, |w| write::put_repaired(w, range));
                }
                backlog::Step::Gone(range) => {
                    self.append(now, stats, |w| write::put_gone(w, range));
                }
                backlog::Step::Done(seq) => {
                    stats.count(Counter::FramesRepaired);
                    self.append(now, stats, |w| write::put_repaired(w, Range::one(seq)));
                    self.backlog.done(seq, by, now);
                }
            }
        }
        None
    }

    /// Takes a NACK of this stream.
    pub(super) fn take_nack(
        &mut self,
        nack: &Nack,
        missing: RangeIter<'_>,
        now: Time,
        stats: &Stats,
    ) {
        stats.count(Counter::NacksReceived);
        let wanted = self.backlog.want(missing, nack.taken, self.seq, now);
        self.walker.note_lost(wanted.frames);
        stats.add(Counter::RepairsImpossible, u64::from(wanted.gone));
    }

    /// Takes a request for a resync. A number of another stream says nothing about this one.
    pub(super) fn take_request(&mut self, request: &ResyncRequest, now: Time, stats: &Stats) {
        let from = if request.stream == self.stream {
            request.from
        } else {
            0
        };
        stats.count(Counter::ResyncRequestsReceived);
        self.walker.request(from, now);
    }

    /// Takes note of how far the backups are now: the walk may go on. See [`Tenure::poll_walk`].
    pub(super) fn note_progress(&mut self, peers: &Peers, now: Time, fresh_ns: u64) {
        let ahead = peers.most_behind(&self.stream, self.seq, now, fresh_ns);
        self.hold.note_ahead(ahead);
    }

    /// Appends a record, or makes the backups notice that one is missing: a number is left out, so
    /// they see a gap, and learn that only a resync helps.
    fn append(&mut self, now: Time, stats: &Stats, write: impl FnOnce(&mut Writer<'_>)) {
        if !self.frame.append(now, write) {
            stats.count(Counter::RecordsNoRoom);
            self.seq = self.seq.saturating_add(1);
            self.backlog.store_gone(self.seq);
        }
    }

    /// When the frame that is being filled is to leave if records may wait `flush_ns` for others;
    /// `None` while it is empty.
    pub(super) fn frame_at(&self, flush_ns: u64) -> Option<Time> {
        let opened = self.frame.opened()?;
        Some(if self.frame.is_open() {
            opened.after(flush_ns)
        } else {
            Time::ZERO
        })
    }

    /// The same of the last frame of a stream that has ended: at once.
    pub(super) fn last_frame_at(&self) -> Option<Time> {
        self.frame.opened().map(|_| Time::ZERO)
    }

    /// When there is something to be told by [`Tenure::poll_walk`] or [`Tenure::poll_repair`]; not
    /// before the frame that is full has left.
    pub(super) fn tell_at(&self) -> Option<Time> {
        if !self.frame.is_open() {
            return None;
        }
        if self.backlog.is_wanted() {
            return Some(Time::ZERO);
        }
        Some(self.hold.not_before(self.walker.next()?))
    }

    /// Numbers the frame that is being filled, and remembers what it was about.
    pub(super) fn send(&mut self, cluster_id: u32, stats: &Stats) -> Option<&[u8]> {
        self.seq = self.seq.saturating_add(1);
        if core::mem::take(&mut self.frame_live) {
            self.tail.note_sent();
        }
        self.walker.note_sent();
        let header = Header {
            kind: Kind::Data,
            flags: FLAG_PRIMARY,
            cluster_id,
            node_id: self.stream.node_id,
            incarnation: self.stream.incarnation,
            count: 0,
            epoch: self.stream.epoch,
            seq: self.seq,
        };
        let (frame, count) = self.frame.seal(header)?;
        let payload = frame.get(HEADER_LEN..).unwrap_or_default();
        self.backlog.store(self.seq, payload, count);
        stats.add(Counter::RecordsSent, u64::from(count));
        Some(frame)
    }
}
