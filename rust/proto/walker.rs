// SPDX-License-Identifier: GPL-2.0

//! When a primary walks its table for a full resync, and how fast (§7).

use super::time::{Time, NS_PER_MS, NS_PER_S};

/// Most entries asked for at once, so that live records never wait long behind a walk.
pub const WALK_BATCH: u32 = 64;
/// A request that comes this soon after a BEGIN is taken to have crossed it. Less than the period
/// of requests, so that one whose BEGIN was lost is heard the next time.
const CROSSING_NS: u64 = 500 * NS_PER_MS;
/// Pause between two walks, so that a backup that can not complete one does not keep the primary
/// walking for ever.
const PAUSE_NS: u64 = 500 * NS_PER_MS;

/// An order to walk the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk {
    /// Mark of this walk, 1 to 255: what carries it has been told already.
    pub mark: u8,
    /// Whether to start from the beginning of the table.
    pub restart: bool,
    /// Most entries to tell of now.
    pub budget: usize,
}

/// Token bucket of the walk.
struct Bucket {
    /// Records per second, 0 is unlimited.
    rate: u32,
    /// Records that may be sent now, times 10^9.
    credit: u64,
    /// When `credit` was right.
    filled: Time,
}

impl Bucket {
    /// Most records that may be saved up: a tenth of a second's, so that a caller that polls
    /// seldom keeps the rate.
    fn capacity(&self) -> u64 {
        u64::from(self.rate / 10 + WALK_BATCH) * NS_PER_S
    }

    /// Credit from which on a batch is worth a call: a hundredth of a second's.
    fn threshold(&self) -> u64 {
        u64::from((self.rate / 100).clamp(1, WALK_BATCH)) * NS_PER_S
    }

    /// Credits the time since the last call.
    fn refill(&mut self, now: Time) {
        // A second at the highest rate is 4.3 * 10^18: no overflow.
        let earned = now.since(self.filled).min(NS_PER_S) * u64::from(self.rate);
        self.credit = self.credit.saturating_add(earned).min(self.capacity());
        self.filled = self.filled.max(now);
    }

    /// Records that may be sent now.
    fn available(&self) -> u32 {
        if self.rate == 0 {
            WALK_BATCH
        } else if self.credit < self.threshold() {
            0
        } else {
            u32::try_from(self.credit / NS_PER_S).unwrap_or(u32::MAX)
        }
    }

    /// When something will be available.
    fn next(&self) -> Time {
        let missing = self.threshold().saturating_sub(self.credit);
        match u64::from(self.rate) {
            0 => self.filled,
            rate => self.filled.after(missing.div_ceil(rate)),
        }
    }

    /// Takes one record's credit.
    fn spend(&mut self) {
        self.credit = self.credit.saturating_sub(NS_PER_S);
    }
}

/// What the walker of a primary wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// Begin a walk.
    Begin,
    /// Go on with the walk that is running.
    Go {
        /// Most entries.
        budget: u32,
    },
}

/// The walks of one stream.
pub(super) struct Walker {
    /// Number of the walk that runs or ran last, 0 before the first.
    generation: u32,
    /// Entries that the running walk has told of; `None` when none runs.
    running: Option<u32>,
    /// Whether another walk is to follow.
    wanted: bool,
    /// When the last walk began.
    began: Time,
    /// No walk begins before.
    earliest: Time,
    bucket: Bucket,
}

impl Walker {
    /// A walker that has not been asked for anything. `rate` is in records per second, 0 is
    /// unlimited.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            generation: 0,
            running: None,
            wanted: false,
            began: Time::ZERO,
            earliest: Time::ZERO,
            bucket: Bucket {
                rate,
                credit: 0,
                filled: Time::ZERO,
            },
        }
    }

    /// Changes the rate.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.bucket.rate = rate;
    }

    /// Forgets everything, for a new stream.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.bucket.rate);
    }

    /// Asks for a walk from the beginning, after the one that is running.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Takes a request of a backup that has seen the BEGIN of generation `seen` and none later.
    ///
    /// Returns whether it leads to a walk.
    pub(super) fn request(&mut self, seen: u32, now: Time) -> bool {
        let crossed = seen < self.generation && now.since(self.began) < CROSSING_NS;
        self.wanted |= !crossed;
        !crossed
    }

    /// What is to be done now.
    pub(super) fn step(&mut self, now: Time) -> Step {
        self.bucket.refill(now);
        match (self.running, self.bucket.available()) {
            (Some(_), 0) => Step::Rest,
            (Some(_), available) => Step::Go {
                budget: available.min(WALK_BATCH),
            },
            (None, _) if self.wanted && now >= self.earliest => Step::Begin,
            (None, _) => Step::Rest,
        }
    }

    /// When [`Walker::step`] will have something to do, `None` for not by itself.
    pub(super) fn next(&self) -> Option<Time> {
        match self.running {
            Some(_) => Some(self.bucket.next()),
            None => self.wanted.then_some(self.earliest),
        }
    }

    /// Begins a walk; returns its generation.
    pub(super) fn begin(&mut self, now: Time) -> u32 {
        self.generation = self.generation.saturating_add(1);
        self.running = Some(0);
        self.wanted = false;
        self.began = now;
        self.generation
    }

    /// Counts an entry that the running walk tells of. Returns false if none is running.
    pub(super) fn tell(&mut self) -> bool {
        self.bucket.spend();
        match &mut self.running {
            Some(count) => {
                *count = count.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// Ends the running walk; returns its generation and how many entries it told of.
    pub(super) fn end(&mut self, now: Time) -> Option<(u32, u32)> {
        let count = self.running.take()?;
        self.earliest = now.after(PAUSE_NS);
        Some((self.generation, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many records a caller that polls every `poll_ns` may send in ten seconds.
    fn sent_in_10_s(rate: u32, poll_ns: u64) -> u32 {
        let mut walker = Walker::new(rate);
        walker.want();
        let start = Time(NS_PER_S);
        assert_eq!(walker.step(start), Step::Begin);
        walker.begin(start);
        let mut sent = 0;
        let mut now = start;
        while now < start.after(10 * NS_PER_S) {
            while let Step::Go { budget } = walker.step(now) {
                (0..budget).for_each(|_| assert!(walker.tell()));
                sent += budget;
            }
            now = now.after(poll_ns);
        }
        sent
    }

    #[test]
    fn the_rate_is_kept() {
        for rate in [1, 7, 100, 1000, 50_000, 1_000_000] {
            let sent = sent_in_10_s(rate, 10 * NS_PER_MS);
            let burst = rate / 10 + WALK_BATCH;
            assert!(sent >= rate * 10 - rate / 10 - 1, "{rate}: {sent}");
            assert!(sent <= rate * 10 + burst, "{rate}: {sent}");
        }
    }

    #[test]
    fn a_paced_walk_says_when_to_go_on() {
        let mut walker = Walker::new(100);
        walker.want();
        let mut now = Time(NS_PER_S);
        walker.begin(now);
        for _ in 0..1000 {
            while let Step::Go { budget } = walker.step(now) {
                (0..budget).for_each(|_| assert!(walker.tell()));
            }
            let next = walker.next().unwrap();
            assert!(next > now);
            assert!(matches!(walker.step(next), Step::Go { .. }));
            now = next;
        }
    }

    #[test]
    fn a_request_leads_to_one_walk() {
        let mut walker = Walker::new(0);
        let now = Time(NS_PER_S);
        assert!(walker.request(0, now));
        assert_eq!(walker.begin(now), 1);
        assert!(!walker.request(0, now), "it crossed the BEGIN");
        assert!(walker.request(1, now), "it lost a frame after the BEGIN");
        walker.end(now);
        assert_eq!(walker.step(now), Step::Rest, "a pause");
        assert_eq!(walker.step(now.after(PAUSE_NS)), Step::Begin);
    }

    #[test]
    fn a_lost_begin_is_noticed() {
        let mut walker = Walker::new(0);
        walker.begin(Time(NS_PER_S));
        assert!(walker.request(0, Time(NS_PER_S).after(CROSSING_NS)));
    }
}
