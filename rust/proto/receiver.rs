// SPDX-License-Identifier: GPL-2.0

//! What a backup has of the stream that it follows, and what it asks for (§5, §7).
//!
//! The rules: a number that has passed is never applied; a gap makes the node unsynced, and breaks
//! off the resync that is being received, until a later resync is complete. Every state but
//! "complete" has a moment at which the node asks (again), so none can last for ever.

use super::control::ResyncRequest;
use super::stream::{Standing, Stream};
use super::time::{Time, NS_PER_MS, NS_PER_S};
use crate::stats::{Counter, Stats};

/// Period of requests for a resync; the jitter comes on top.
const REQUEST_NS: u64 = NS_PER_S;
/// Largest jitter, so that the backups of a cluster do not ask in step.
const JITTER_MS: u32 = 256;
/// A resync during which no data frame comes for this long has died with its primary's will to
/// go on; a paced walk sends at least one record a second.
const STALL_NS: u64 = 5 * NS_PER_S;
/// Pause before a resync is tried again when entries could not be inserted: the table does not
/// become larger by trying.
const RETRY_NS: u64 = 30 * NS_PER_S;

/// A resync that is being received without a gap since its BEGIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Resync {
    /// Number that its BEGIN had.
    generation: u32,
    /// Connections told of since then, by the resync or live.
    upserts: u32,
    /// When the last data frame came.
    progress: Time,
}

/// The receiving side of a node.
pub(super) struct Receiver {
    /// The newest stream that was followed, or the node's own after a demotion.
    stream: Stream,
    /// Last number that was taken; `None` before the first.
    seq: Option<u64>,
    /// Whether all that the primary had was received, and no number has been missing since.
    complete: bool,
    /// Since when a connection of this resync is missing for want of room or memory.
    lacking: Option<Time>,
    resync: Option<Resync>,
    /// Generation of the last BEGIN.
    seen: u32,
    /// When the last request for this stream was sent.
    asked: Option<Time>,
    jitter_ns: u64,
}

impl Receiver {
    /// A receiver that has followed nothing.
    pub(super) fn new(node_id: u32) -> Self {
        let jitter_ms = (node_id.wrapping_mul(0x9e37_79b1) >> 16) % JITTER_MS;
        Self {
            stream: Stream::NONE,
            seq: None,
            complete: false,
            lacking: None,
            resync: None,
            seen: 0,
            asked: None,
            jitter_ns: u64::from(jitter_ms) * NS_PER_MS,
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

    /// Last number taken, 0 if none.
    pub(super) fn applied(&self) -> u64 {
        self.seq.unwrap_or(0)
    }

    /// Whether the table has all that the stream said.
    pub(super) fn complete(&self) -> bool {
        self.complete && self.lacking.is_none()
    }

    /// Follows a stream from now on: whatever was complete is not.
    pub(super) fn follow(&mut self, stream: Stream, stats: &Stats) {
        self.break_off(stats);
        self.stream = stream;
        self.seq = None;
        self.complete = false;
        self.lacking = None;
        self.seen = 0;
        self.asked = None;
    }

    /// Takes the number of a data frame.
    ///
    /// # Errors
    ///
    /// [`Counter::FramesLate`] if it has passed.
    pub(super) fn take(&mut self, seq: u64, now: Time, stats: &Stats) -> Result<(), Counter> {
        if seq <= self.applied() {
            return Err(Counter::FramesLate);
        }
        if let Some(last) = self.seq {
            self.check_gap(seq - last - 1, stats);
        }
        self.seq = Some(seq);
        if let Some(resync) = &mut self.resync {
            resync.progress = now;
        }
        Ok(())
    }

    /// Takes the last number that a heartbeat says was used: what is missing up to it is lost.
    pub(super) fn take_last(&mut self, last: u64, stats: &Stats) {
        match self.seq {
            Some(seq) => self.check_gap(last.saturating_sub(seq), stats),
            None if last != 0 => self.break_off(stats),
            None => {}
        }
        self.seq = Some(self.applied().max(last));
    }

    /// Deals with `missing` numbers between the last one taken and the present one.
    fn check_gap(&mut self, missing: u64, stats: &Stats) {
        if missing == 0 {
            return;
        }
        stats.count(Counter::FramesGap);
        stats.add(Counter::FramesLost, missing);
        self.break_off(stats);
        self.complete = false;
    }

    /// Breaks off the resync that is being received, if there is one.
    fn break_off(&mut self, stats: &Stats) {
        if self.resync.take().is_some() {
            stats.count(Counter::ResyncsTainted);
        }
    }

    /// Takes a BEGIN.
    pub(super) fn begin(&mut self, generation: u32, now: Time, stats: &Stats) {
        self.break_off(stats);
        self.seen = generation;
        self.lacking = None;
        self.resync = Some(Resync {
            generation,
            upserts: 0,
            progress: now,
        });
    }

    /// Takes an END. Returns whether what was not told of since BEGIN is to be swept.
    pub(super) fn end(&mut self, generation: u32, count: u32, now: Time, stats: &Stats) -> bool {
        let Some(resync) = self.resync.filter(|r| r.generation == generation) else {
            return false;
        };
        if resync.upserts < count {
            // Records were not understood: to sweep would delete what they told of.
            self.break_off(stats);
            return false;
        }
        self.resync = None;
        self.complete = true;
        self.lacking = self.lacking.map(|_| now);
        stats.count(Counter::ResyncsCompleted);
        true
    }

    /// Counts a connection told of.
    pub(super) fn told(&mut self) {
        if let Some(resync) = &mut self.resync {
            resync.upserts = resync.upserts.saturating_add(1);
        }
    }

    /// Asks for a resync, though nothing is known to be missing.
    pub(super) fn want(&mut self) {
        self.complete = false;
        self.asked = None;
    }

    /// Notes that a connection could not be inserted for want of room or memory.
    pub(super) fn lack(&mut self, now: Time) {
        self.lacking.get_or_insert(now);
    }

    /// When the node is to ask for a resync, `None` when it has no need.
    ///
    /// It asks at once where it has not asked lately.
    pub(super) fn request_at(&self) -> Option<Time> {
        if let Some(resync) = self.resync {
            return Some(resync.progress.after(STALL_NS));
        }
        if !self.complete {
            let pause = REQUEST_NS + self.jitter_ns;
            return Some(self.asked.map_or(Time::ZERO, |asked| asked.after(pause)));
        }
        let since = self.lacking?.max(self.asked.unwrap_or(Time::ZERO));
        Some(since.after(RETRY_NS + self.jitter_ns))
    }

    /// The request that is due, if one is.
    pub(super) fn poll_request(&mut self, now: Time, stats: &Stats) -> Option<ResyncRequest> {
        if now < self.request_at()? {
            return None;
        }
        if self.resync.is_some() {
            self.break_off(stats);
            self.complete = false;
        }
        self.asked = Some(now);
        stats.count(Counter::ResyncsRequested);
        Some(ResyncRequest {
            stream: self.stream,
            seen: self.seen,
        })
    }
}
