// SPDX-License-Identifier: GPL-2.0

//! The numbers of a stream that is followed: which have come, which are missing, and when those are
//! asked for (§7.1).
//!
//! A number that has passed is never applied. It counts as missing until the primary says that its
//! truth has been told since (REPAIRED). While one is missing there is a time at which the node
//! sends a NACK, and after each NACK a later one, so that no gap can stay unnoticed.

use super::gaps::Gaps;
use super::range::Range;
use super::time::{Time, NS_PER_MS, NS_PER_S};
use super::wire::control::NACK_RANGES_MAX;
use crate::stats::{Counter, Stats};

/// Shortest time between a gap and its NACK.
const NACK_MIN_NS: u64 = NS_PER_MS;
/// What comes on top, different on each node: so much that the NACK of one backup reaches the others
/// before most of them have sent theirs.
const NACK_SPREAD_NS: u64 = 8 * NS_PER_MS;
/// Time until a NACK is repeated, the first time; it is doubled each time, up to the longest.
const NACK_RETRY_NS: u64 = 25 * NS_PER_MS;
/// Longest time until a NACK is repeated.
const NACK_RETRY_MAX_NS: u64 = NS_PER_S;
/// A gap that is open for so long deserves a word: repairs take a few round trips.
const GAP_LONG_NS: u64 = NS_PER_S;

/// The numbers of one stream, as one node has them.
pub(super) struct Numbers {
    /// The node, so that no two nodes ask in step.
    node_id: u32,
    /// Highest number that is known to have been used; `None` before the first.
    seq: Option<u64>,
    /// Numbers up to that one that were not taken nor made good.
    gaps: Gaps,
    /// The highest of them that was lost: others are told of again for another reason.
    lost: u64,
    /// Since when there are any.
    gap_since: Option<Time>,
    /// When the next NACK is due; `None` while nothing is missing.
    nack_at: Option<Time>,
    /// NACKs that did not help, in a row.
    nack_tries: u32,
    /// Whether the next NACK was put off already because another node has asked.
    nack_left: bool,
}

impl Numbers {
    /// None yet.
    pub(super) fn new(node_id: u32) -> Self {
        Self {
            node_id,
            seq: None,
            gaps: Gaps::new(),
            lost: 0,
            gap_since: None,
            nack_at: None,
            nack_tries: 0,
            nack_left: false,
        }
    }

    /// The highest number that is known to have been used, `None` before the first.
    pub(super) fn highest(&self) -> Option<u64> {
        self.seq
    }

    /// The same, 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.seq.unwrap_or(0)
    }

    /// The number up to which nothing is missing, 0 if there is none.
    pub(super) fn applied(&self) -> u64 {
        match self.gaps.first() {
            Some(first) => first.saturating_sub(1),
            None => self.last(),
        }
    }

    /// The lowest number that is missing.
    pub(super) fn first_missing(&self) -> Option<u64> {
        self.gaps.first()
    }

    /// The numbers that are missing.
    pub(super) fn missing(&self) -> &[Range] {
        self.gaps.ranges()
    }

    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether one of `range` is missing.
    pub(super) fn lacks(&self, range: &Range) -> bool {
        self.gaps.meets(range)
    }

    /// Whether a frame is missing that was lost, not only one whose records could not be applied.
    pub(super) fn has_lost(&self) -> bool {
        self.gaps.first().is_some_and(|first| first <= self.lost)
    }

    /// Whether something has been missing for long.
    pub(super) fn gap_is_long(&self, now: Time) -> bool {
        self.gap_since
            .is_some_and(|since| now.since(since) >= GAP_LONG_NS)
    }

    /// Takes the number of a data frame, above all that were known: what lies between is missing.
    pub(super) fn take(&mut self, seq: u64, now: Time, stats: &Stats) {
        if let Some(last) = self.seq {
            self.note_missing(last + 1, seq - 1, now, stats);
        }
        self.seq = Some(seq);
    }

    /// Takes the last number that a heartbeat says was used: what has not come up to it is missing.
    pub(super) fn take_last(&mut self, last: u64, now: Time, stats: &Stats) {
        if let Some(seq) = self.seq {
            self.note_missing(seq.saturating_add(1), last, now, stats);
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

    /// Has numbers told of again: they count as missing, and a NACK is planned.
    pub(super) fn miss(&mut self, range: Range, now: Time) {
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

    /// Waits for nothing that is missing any more: a resync will tell of it.
    pub(super) fn give_up(&mut self) {
        self.gaps.clear();
        self.gap_since = None;
        self.nack_at = None;
        self.nack_tries = 0;
    }

    /// When the next NACK is due; `None` while nothing is missing.
    pub(super) fn nack_at(&self) -> Option<Time> {
        self.nack_at
    }

    /// Says whether a NACK is due, with the highest number that is known to have been used; it names
    /// the first of [`Numbers::missing`].
    pub(super) fn poll_nack(&mut self, now: Time, stats: &Stats) -> Option<u64> {
        if now < self.nack_at? {
            return None;
        }
        self.put_off_nack(now);
        self.nack_left = false;
        stats.count(Counter::NacksSent);
        Some(self.last())
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
