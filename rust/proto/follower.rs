// SPDX-License-Identifier: GPL-2.0

//! What a node follows: one stream, what it has of it, and what it asks its primary for (§5, §7, §8).
//! What it does with the records is in `apply.rs`.
//!
//! There is a follower for a stream. It knows no other one, nor the node that it belongs to: time,
//! table and counters are arguments. Every state but "complete, nothing missing" has a moment at
//! which it asks (again), so none can last for ever.

use super::lacks::Lacks;
use super::marks::Marks;
use super::numbers::Numbers;
use super::range::Range;
use super::reports::Reports;
use super::resync::{Finished, Resync, Sweep};
use super::scrub::Suspects;
use super::stream::{Standing, Stream};
use super::time::{Time, NS_PER_MS, NS_PER_S};
use super::wire::control::{Nack, ResyncRequest};
use super::wire::record::ResyncEnd;
use crate::stats::{Counter, Stats};

/// Period of requests for a resync; the jitter comes on top.
const REQUEST_NS: u64 = NS_PER_S;
/// Largest jitter, so that the backups of a cluster do not ask in step.
const JITTER_MS: u32 = 256;

/// One stream, as this node follows it.
pub(super) struct Follower {
    /// This node.
    node_id: u32,
    /// The newest stream that was followed, or the node's own after a demotion.
    stream: Stream,
    /// Which numbers have come, and which are missing.
    pub(super) numbers: Numbers,
    /// What it was told by resyncs.
    pub(super) resync: Resync,
    /// What it was told of and does not have.
    pub(super) lacks: Lacks,
    /// When the last request for this stream was sent.
    asked: Option<Time>,
    /// The marks of the table that the stream is applied to.
    pub(super) marks: Marks,
    /// When the primary waits to be told how far this node is.
    pub(super) reports: Reports,
    /// Differences that a scrub has found and nothing has explained yet.
    pub(super) suspects: Suspects,
}

impl Follower {
    /// A follower of node `node_id` that has followed nothing.
    pub(super) fn new(node_id: u32, suspects: Suspects) -> Self {
        Self {
            node_id,
            stream: Stream::NONE,
            numbers: Numbers::new(node_id),
            resync: Resync::NEW,
            lacks: Lacks::NONE,
            asked: None,
            marks: Marks::NEW,
            reports: Reports::NONE,
            suspects,
        }
    }

    /// The newest stream that was followed.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How another stream stands to it.
    pub(super) fn standing(&self, other: &Stream) -> Standing {
        self.stream.standing(other)
    }

    /// Checks that a stream is the one that is followed.
    ///
    /// # Errors
    ///
    /// [`Counter::FramesStaleEpoch`] if it is not.
    pub(super) fn check(&self, stream: &Stream) -> Result<(), Counter> {
        match self.standing(stream) {
            Standing::Current => Ok(()),
            // Newer ones have been followed already, where the sender says it is primary.
            Standing::Stale | Standing::Newer => Err(Counter::FramesStaleEpoch),
        }
    }

    /// The number up to which nothing is missing, 0 if none.
    pub(super) fn applied(&self) -> u64 {
        self.numbers.applied()
    }

    /// Whether the table has all that the stream said.
    pub(super) fn complete(&self) -> bool {
        self.settled() && self.numbers.is_whole()
    }

    /// Whether it has, or lacks no more than what is being repaired: a gap that is repaired soon is
    /// no news.
    pub(super) fn well(&self, now: Time) -> bool {
        self.settled() && !self.numbers.gap_is_long(now)
    }

    /// Whether it has, apart from gaps.
    fn settled(&self) -> bool {
        self.is_told() && !self.lacks.has_unapplied()
    }

    /// Whether the node was told of everything, and nothing that it took is away again.
    pub(super) fn is_told(&self) -> bool {
        self.resync.is_complete() && !self.lacks.is_short()
    }

    /// Follows a stream from now on: whatever was complete is not.
    pub(super) fn follow(&mut self, stream: Stream, stats: &Stats) {
        self.resync.count_broken(stats);
        self.start(stream);
    }

    /// Forgets what was followed, under another name.
    pub(super) fn rename(&mut self, node_id: u32) {
        self.node_id = node_id;
        self.start(Stream::NONE);
    }

    /// Knows nothing of `stream` yet. Marks and suspicions are about the table, not the stream, and
    /// what was to be reported still is.
    fn start(&mut self, stream: Stream) {
        self.stream = stream;
        self.numbers = Numbers::new(self.node_id);
        self.resync = Resync::NEW;
        self.lacks = Lacks::NONE;
        self.asked = None;
    }

    /// Takes the number of a data frame.
    ///
    /// # Errors
    ///
    /// [`Counter::FramesLate`] if it has passed.
    pub(super) fn take(&mut self, seq: u64, now: Time, stats: &Stats) -> Result<(), Counter> {
        if seq <= self.numbers.last() {
            return Err(Counter::FramesLate);
        }
        if self.numbers.highest().is_none() {
            self.resync.start_at(seq);
        }
        self.numbers.take(seq, now, stats);
        Ok(())
    }

    /// Takes the last number that a heartbeat says was used: what is missing up to it is lost.
    pub(super) fn take_last(&mut self, last: u64, now: Time, stats: &Stats) {
        if self.numbers.highest().is_none() {
            self.resync.start_at(last.saturating_add(1));
        }
        self.numbers.take_last(last, now, stats);
    }

    /// Takes the news that numbers can not be made good: if this node lacks one of them, only a
    /// resync helps.
    pub(super) fn gone(&mut self, range: Range, stats: &Stats) {
        if self.numbers.lacks(&range) {
            stats.count(Counter::GapsGone);
            self.restart(stats);
        }
    }

    /// Begins anew: what comes after the last number is stamped with another mark, and a resync
    /// that begins then counts.
    fn restart(&mut self, stats: &Stats) {
        self.numbers.give_up();
        let since = self.numbers.highest().map(|last| last.saturating_add(1));
        self.resync.restart(since, stats);
        self.lacks.note_stamp();
    }

    /// Takes a BEGIN that came in the last frame.
    pub(super) fn begin(&mut self, generation: u32, scrub: bool) {
        let (healthy, seq) = (self.complete(), self.numbers.highest());
        if self.resync.begin(generation, scrub, healthy, seq) {
            self.lacks.note_stamp();
        }
        self.reports.begin(scrub);
    }

    /// Takes an END that came in the last frame. [`Follower::finish`] says what follows from it.
    pub(super) fn end(&mut self, end: ResyncEnd) {
        self.resync.end(end, self.numbers.last());
        self.reports.end();
    }

    /// Says whether what was not told of is to be swept now, because an END has come and nothing
    /// up to it is missing any more.
    pub(super) fn finish(&mut self, now: Time, stats: &Stats) -> Option<Sweep> {
        match self.resync.finish(self.numbers.first_missing())? {
            Finished::Short => {
                self.restart(stats);
                None
            }
            Finished::Whole { begin, sweep } => {
                self.lacks.note_resynced(begin, now);
                stats.count(Counter::ResyncsCompleted);
                Some(sweep)
            }
        }
    }

    /// Asks for a resync, though nothing is known to be missing.
    pub(super) fn want(&mut self, stats: &Stats) {
        self.restart(stats);
        self.asked = None;
    }

    /// Notes that connections have vanished from the table, by nobody's word.
    pub(super) fn lose(&mut self, now: Time) {
        self.lacks.note_vanished(now);
    }

    /// When the node is to ask for something, `None` when it has no need.
    pub(super) fn ask_at(&self) -> Option<Time> {
        [self.request_at(), self.numbers.nack_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What this node adds to the times at which it asks, in nanoseconds.
    fn jitter_ns(&self) -> u64 {
        let jitter_ms = (self.node_id.wrapping_mul(0x9e37_79b1) >> 16) % JITTER_MS;
        u64::from(jitter_ms) * NS_PER_MS
    }

    /// When the node is to ask for a resync: at once where it has not asked lately.
    fn request_at(&self) -> Option<Time> {
        if !self.resync.is_complete() {
            let pause = REQUEST_NS + self.jitter_ns();
            return Some(self.asked.map_or(Time::ZERO, |asked| asked.after(pause)));
        }
        Some(self.lacks.ask_at()?.after(self.jitter_ns()))
    }

    /// The request that is due, if one is.
    pub(super) fn poll_request(&mut self, now: Time, stats: &Stats) -> Option<ResyncRequest> {
        if now < self.request_at()? {
            return None;
        }
        if self.resync.is_complete() {
            self.restart(stats);
            self.lacks.note_asked(now);
        }
        self.asked = Some(now);
        stats.count(Counter::ResyncsRequested);
        // One's own stream is over: whoever is primary now is to answer.
        let own = self.stream.node_id == self.node_id;
        Some(if own {
            ResyncRequest::default()
        } else {
            ResyncRequest {
                stream: self.stream,
                from: self.resync.since(),
            }
        })
    }

    /// The NACK that is due, if one is; it names the first of [`Numbers::missing`].
    pub(super) fn poll_nack(&mut self, now: Time, stats: &Stats) -> Option<Nack> {
        let taken = self.numbers.poll_nack(now, stats)?;
        Some(Nack {
            stream: self.stream,
            taken,
        })
    }
}
