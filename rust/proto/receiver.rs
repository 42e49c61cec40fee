// SPDX-License-Identifier: GPL-2.0

//! What a backup has of the stream that it follows, and what it asks for (§5, §7, §8).
//!
//! The rules: a number that has passed is never applied; it counts as missing until the primary
//! says that its truth has been told since (REPAIRED). A resync counts if the node was stamping
//! before it began and lacks nothing up to its END. Every state but "complete, nothing missing" has
//! a moment at which the node asks (again), so none can last for ever.

use super::gaps::Gaps;
use super::range::Range;
use super::stream::{Standing, Stream};
use super::time::{Time, NS_PER_MS, NS_PER_S};
use super::wire::control::{Nack, ResyncRequest, NACK_RANGES_MAX};
use super::wire::record::ResyncEnd;
use crate::stats::{Counter, Stats};

/// Period of requests for a resync; the jitter comes on top.
const REQUEST_NS: u64 = NS_PER_S;
/// Largest jitter, so that the backups of a cluster do not ask in step.
const JITTER_MS: u32 = 256;
/// Pause before a resync is tried again when entries could not be inserted: the table does not
/// become larger by trying.
const RETRY_NS: u64 = 30 * NS_PER_S;
/// Time between a loss in this node's own table and the request for a resync: what vanishes
/// together is asked for together.
const LOSS_DELAY_NS: u64 = 200 * NS_PER_MS;
/// Shortest time between two such requests: whatever takes connections away here may go on.
const LOSS_PAUSE_NS: u64 = 10 * NS_PER_S;
/// Shortest and longest time between a gap and its NACK: so far apart that the NACK of one backup
/// reaches the others before most of them have sent theirs.
const NACK_MIN_NS: u64 = NS_PER_MS;
const NACK_SPREAD_NS: u64 = 8 * NS_PER_MS;
/// Time until a NACK is repeated, the first time; doubled each time up to the longest.
const NACK_RETRY_NS: u64 = 25 * NS_PER_MS;
const NACK_RETRY_MAX_NS: u64 = NS_PER_S;
/// A gap that is open for so long deserves a word: repairs take a few round trips.
const GAP_LONG_NS: u64 = NS_PER_S;

/// An END that has come, though something before it may still be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    end: ResyncEnd,
    /// Number of the frame that it came in.
    seq: u64,
}

/// What the end of a resync means for the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sweep {
    /// The node has been told of everything: the rest goes.
    Resync,
    /// The same, and there should be no rest.
    Scrub,
}

/// The receiving side of a node.
pub(super) struct Receiver {
    node_id: u32,
    /// The newest stream that was followed, or the node's own after a demotion.
    stream: Stream,
    /// Highest number that is known to have been used; `None` before the first.
    seq: Option<u64>,
    /// Numbers up to that one that were not taken nor made good.
    gaps: Gaps,
    /// The highest of them that was lost: others are told of again for another reason.
    lost: u64,
    /// Since when there are any.
    gap_since: Option<Time>,
    /// The first number from which on everything is taken, or missing and known to be, and stamped
    /// with the present mark.
    since: Option<u64>,
    /// Whether a new mark is to be taken before the next connection is stamped.
    restamp: bool,
    /// Connections told of since `since`.
    told: u32,
    /// Whether all that the primary had was received once, and nothing was lost for good since.
    complete: bool,
    ended: Option<Ended>,
    /// Generation of the scrub that is being received, while everything was in order.
    scrub: Option<u32>,
    /// Since when connections are missing for want of room or memory.
    lacking: Option<Time>,
    /// The last frame that told of one of them, 0 if none did.
    lacking_seq: u64,
    /// When a connection was last refused for a reason that may last.
    refused_at: Option<Time>,
    /// Whether connections are missing because of that.
    unapplied: bool,
    /// The last frame that told of one of them, 0 if none did.
    unapplied_seq: u64,
    /// Since when a resync is due for their sake: one, for the reason may last.
    unapplied_retry: Option<Time>,
    /// Since when connections are missing that have vanished from the table.
    vanished: Option<Time>,
    /// Whether one has since `since`, and may have been told of before.
    vanished_again: bool,
    /// The earliest time at which to ask because of that.
    loss_earliest: Time,
    /// When the last request for this stream was sent.
    asked: Option<Time>,
    jitter_ns: u64,
    /// When the next NACK is due; `None` while nothing is missing.
    nack_at: Option<Time>,
    /// NACKs that did not help, in a row.
    nack_tries: u32,
    /// Whether the next NACK was put off already because another node has asked.
    nack_left: bool,
}

impl Receiver {
    /// A receiver that has followed nothing.
    pub(super) fn new(node_id: u32) -> Self {
        let jitter_ms = (node_id.wrapping_mul(0x9e37_79b1) >> 16) % JITTER_MS;
        Self {
            node_id,
            stream: Stream::NONE,
            seq: None,
            gaps: Gaps::new(),
            lost: 0,
            gap_since: None,
            since: None,
            restamp: true,
            told: 0,
            complete: false,
            ended: None,
            scrub: None,
            lacking: None,
            lacking_seq: 0,
            refused_at: None,
            unapplied: false,
            unapplied_seq: 0,
            unapplied_retry: None,
            vanished: None,
            vanished_again: false,
            loss_earliest: Time::ZERO,
            asked: None,
            jitter_ns: u64::from(jitter_ms) * NS_PER_MS,
            nack_at: None,
            nack_tries: 0,
            nack_left: false,
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

    /// The number up to which nothing is missing, 0 if none.
    pub(super) fn applied(&self) -> u64 {
        match self.gaps.first() {
            Some(first) => first.saturating_sub(1),
            None => self.last(),
        }
    }

    /// The highest number that is known to have been used, 0 if none.
    fn last(&self) -> u64 {
        self.seq.unwrap_or(0)
    }

    /// Whether the table has all that the stream said.
    pub(super) fn complete(&self) -> bool {
        self.settled() && self.gaps.is_empty()
    }

    /// The same, apart from gaps that are being repaired.
    pub(super) fn settled(&self) -> bool {
        self.is_told() && !self.unapplied
    }

    /// Whether it was told of everything, and nothing that it took is away again.
    fn is_told(&self) -> bool {
        self.complete && self.lacking.is_none() && self.vanished.is_none()
    }

    /// Whether something has been missing for long.
    pub(super) fn gap_is_long(&self, now: Time) -> bool {
        self.gap_since
            .is_some_and(|since| now.since(since) >= GAP_LONG_NS)
    }

    /// Follows a stream from now on: whatever was complete is not.
    pub(super) fn follow(&mut self, stream: Stream, stats: &Stats) {
        self.note_broken(stats);
        let node_id = self.node_id;
        *self = Self {
            stream,
            ..Self::new(node_id)
        };
    }

    /// Counts a resync that was being received and has become useless.
    fn note_broken(&self, stats: &Stats) {
        if !self.complete && self.since.is_some() {
            stats.count(Counter::ResyncsTainted);
        }
    }

    /// Takes the number of a data frame.
    ///
    /// # Errors
    ///
    /// [`Counter::FramesLate`] if it has passed.
    pub(super) fn take(&mut self, seq: u64, now: Time, stats: &Stats) -> Result<(), Counter> {
        if seq <= self.last() {
            return Err(Counter::FramesLate);
        }
        match self.seq {
            Some(last) => self.note_missing(last + 1, seq - 1, now, stats),
            None => self.since = Some(seq),
        }
        self.seq = Some(seq);
        Ok(())
    }

    /// Takes the last number that a heartbeat says was used: what is missing up to it is lost.
    pub(super) fn take_last(&mut self, last: u64, now: Time, stats: &Stats) {
        match self.seq {
            Some(seq) => self.note_missing(seq.saturating_add(1), last, now, stats),
            None => self.since = Some(last.saturating_add(1)),
        }
        self.seq = Some(self.last().max(last));
    }

    /// Notes that the numbers from `first` to `last`, if there are any, have not come.
    fn note_missing(&mut self, first: u64, last: u64, now: Time, stats: &Stats) {
        if first > last {
            return;
        }
        stats.count(Counter::FramesGap);
        stats.add(Counter::FramesLost, last - first + 1);
        self.lost = last;
        self.miss(Range { first, last }, now);
    }

    /// Has numbers told of again.
    fn miss(&mut self, range: Range, now: Time) {
        self.gaps.push(range);
        self.gap_since.get_or_insert(now);
        let at = now.after(NACK_MIN_NS + self.spread(range.last) % NACK_SPREAD_NS);
        self.nack_at = Some(self.nack_at.map_or(at, |due| due.min(at)));
    }

    /// A number that is different on each node and for each `salt`, and looks random.
    fn spread(&self, salt: u64) -> u64 {
        let mut z = (u64::from(self.node_id) << 32) ^ salt;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Takes the news that numbers have been made good.
    pub(super) fn repaired(&mut self, range: Range, stats: &Stats) {
        let count = self.gaps.remove(&range);
        if count != 0 {
            stats.add(Counter::FramesMadeGood, count);
            self.nack_tries = 0;
        }
        if self.gaps.is_empty() {
            self.gap_since = None;
            self.nack_at = None;
        }
    }

    /// Takes the news that numbers can not be made good: if this node lacks one of them, only a
    /// resync helps.
    pub(super) fn gone(&mut self, range: Range, stats: &Stats) {
        if self.gaps.meets(&range) {
            stats.count(Counter::GapsGone);
            self.restart(stats);
        }
    }

    /// Begins anew: what comes after the last number is stamped with another mark, and a resync
    /// that begins then counts.
    fn restart(&mut self, stats: &Stats) {
        self.note_broken(stats);
        self.gaps.clear();
        self.gap_since = None;
        self.nack_at = None;
        self.nack_tries = 0;
        self.stamp_from(self.seq.map(|last| last.saturating_add(1)));
        self.complete = false;
        self.scrub = None;
    }

    /// Has connections stamped with another mark from now on.
    fn stamp_from(&mut self, since: Option<u64>) {
        self.since = since;
        self.restamp = true;
        self.told = 0;
        self.vanished_again = false;
        self.ended = None;
    }

    /// Whether another mark is to be taken now.
    pub(super) fn take_restamp(&mut self) -> bool {
        core::mem::take(&mut self.restamp)
    }

    /// Takes a BEGIN that came in the last frame.
    ///
    /// It is no more than a good moment for another mark, when no resync is being received: one
    /// that is lost is not missed.
    pub(super) fn begin(&mut self, generation: u32, scrub: bool) {
        let healthy = self.complete();
        self.scrub = (scrub && healthy).then_some(generation);
        if self.complete && self.ended.is_none() {
            self.stamp_from(self.seq);
        }
    }

    /// Takes an END that came in the last frame. [`Receiver::finish`] says what follows from it.
    pub(super) fn end(&mut self, end: ResyncEnd) {
        if self.since.is_some_and(|since| since <= end.begin) && self.ended.is_none() {
            self.ended = Some(Ended {
                end,
                seq: self.last(),
            });
        }
    }

    /// Says whether what was not told of is to be swept now, because an END has come and nothing
    /// up to it is missing any more.
    pub(super) fn finish(&mut self, now: Time, stats: &Stats) -> Option<Sweep> {
        let Ended { end, seq } = self.ended?;
        if self.gaps.first().is_some_and(|first| first <= seq) {
            return None;
        }
        self.ended = None;
        if self.told < end.count {
            // Records were not understood: to sweep would delete what they told of.
            self.restart(stats);
            return None;
        }
        self.complete = true;
        // What was refused before the walk was told of again by it, also if its BEGIN was lost.
        self.lacking = (self.lacking_seq >= end.begin).then_some(now);
        self.vanished = self.vanished_again.then_some(now);
        self.unapplied = self.unapplied_seq >= end.begin;
        self.unapplied_retry = self.unapplied_retry.filter(|_| self.unapplied);
        stats.count(Counter::ResyncsCompleted);
        let scrub = self.scrub.take() == Some(end.generation);
        Some(if scrub { Sweep::Scrub } else { Sweep::Resync })
    }

    /// Counts a connection told of.
    pub(super) fn told(&mut self) {
        self.told = self.told.saturating_add(1);
    }

    /// Whether a difference found now is one that should not be.
    pub(super) fn scrubs(&self) -> bool {
        self.scrub.is_some() && self.gaps.is_empty()
    }

    /// Asks for a resync, though nothing is known to be missing.
    pub(super) fn want(&mut self, stats: &Stats) {
        self.restart(stats);
        self.asked = None;
    }

    /// Notes that a connection could not be inserted for want of room or memory.
    pub(super) fn lack(&mut self, now: Time) {
        self.lacking_seq = self.last();
        self.lacking.get_or_insert(now);
    }

    /// Notes that a connection could not be inserted for a reason that may last.
    pub(super) fn refuse(&mut self, now: Time) {
        self.refused_at = Some(now);
        if !self.unapplied {
            self.unapplied_retry = Some(now);
        }
        (self.unapplied, self.unapplied_seq) = (true, self.last());
    }

    /// Takes the news that a record of the last frame is an update of a connection that is not
    /// here.
    ///
    /// Mostly its beginning is known to be missing: it was lost, or a resync will tell of it, or it
    /// was refused. If not, it has got lost on this node, and the frame counts as missing, so that
    /// it is told of again as a whole.
    pub(super) fn incomplete(&mut self, now: Time) {
        let frame = Range::one(self.last());
        let lost = self.gaps.first().is_some_and(|first| first <= self.lost);
        let refused = self.refused_at.is_some_and(|at| now.since(at) < RETRY_NS);
        if self.is_told() && !lost && !refused && !self.gaps.meets(&frame) {
            self.miss(frame, now);
        }
    }

    /// Notes that connections have vanished from the table, by nobody's word.
    pub(super) fn lose(&mut self, now: Time) {
        self.vanished_again = true;
        self.vanished.get_or_insert(now);
    }

    /// When the node is to ask for something, `None` when it has no need.
    pub(super) fn ask_at(&self) -> Option<Time> {
        [self.request_at(), self.nack_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the node is to ask for a resync: at once where it has not asked lately.
    fn request_at(&self) -> Option<Time> {
        if !self.complete {
            let pause = REQUEST_NS + self.jitter_ns;
            return Some(self.asked.map_or(Time::ZERO, |asked| asked.after(pause)));
        }
        let retry = |since: Option<Time>| since.map(|since| since.after(RETRY_NS));
        let vanished = self
            .vanished
            .map(|since| since.after(LOSS_DELAY_NS).max(self.loss_earliest));
        // Whatever takes connections away: there is too little room for all.
        let missing = retry(self.lacking).or(vanished);
        let at = [missing, retry(self.unapplied_retry)];
        Some(at.into_iter().flatten().min()?.after(self.jitter_ns))
    }

    /// The request that is due, if one is.
    pub(super) fn poll_request(&mut self, now: Time, stats: &Stats) -> Option<ResyncRequest> {
        if now < self.request_at()? {
            return None;
        }
        if self.complete {
            self.unapplied_retry = None;
            self.restart(stats);
            self.loss_earliest = now.after(LOSS_PAUSE_NS);
        }
        self.asked = Some(now);
        stats.count(Counter::ResyncsRequested);
        Some(ResyncRequest {
            stream: self.stream,
            from: self.since.unwrap_or(0),
        })
    }

    /// The NACK that is due, if one is; it names the first of [`Receiver::missing`].
    pub(super) fn poll_nack(&mut self, now: Time, stats: &Stats) -> Option<Nack> {
        if now < self.nack_at? {
            return None;
        }
        self.put_off_nack(now);
        self.nack_left = false;
        stats.count(Counter::NacksSent);
        Some(Nack {
            stream: self.stream,
            taken: self.last(),
        })
    }

    /// The numbers that are missing.
    pub(super) fn missing(&self) -> &[Range] {
        self.gaps.ranges()
    }

    /// Takes a NACK of another backup of the same stream: what it asks for need not be asked for
    /// again so soon. Only once: the primary may not hear that backup.
    pub(super) fn overhear(
        &mut self,
        ranges: impl Iterator<Item = Range> + Clone,
        now: Time,
        stats: &Stats,
    ) {
        let mut own = self.gaps.ranges().iter().take(NACK_RANGES_MAX);
        let asked = own.all(|gap| ranges.clone().any(|range| range.covers(gap)));
        let retry_at = now.after(self.nack_retry_ns());
        if asked && !self.nack_left && self.nack_at.is_some_and(|at| at < retry_at) {
            self.nack_left = true;
            stats.count(Counter::NacksSuppressed);
            self.put_off_nack(now);
        }
    }

    /// Sets the time of the next NACK, if this one does not help.
    fn put_off_nack(&mut self, now: Time) {
        let spread = self.spread(self.last() ^ u64::from(self.nack_tries)) % NACK_SPREAD_NS;
        self.nack_at = Some(now.after(self.nack_retry_ns() + spread));
        self.nack_tries = self.nack_tries.saturating_add(1);
    }

    /// How long a NACK may take to help.
    fn nack_retry_ns(&self) -> u64 {
        let doubled = NACK_RETRY_NS << self.nack_tries.min(8);
        doubled.min(NACK_RETRY_MAX_NS)
    }
}
