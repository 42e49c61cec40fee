// SPDX-License-Identifier: GPL-2.0

//! When a primary walks its table for a full resync or a scrub, and how fast (§8).

use super::rate::{Bucket, Pacer, WALK_BATCH};
use super::time::{Time, NS_PER_MS, NS_PER_S};
use super::wire::record::ResyncEnd;

/// A request that comes this soon after a BEGIN is taken to have crossed it. Less than the period
/// of requests, so that one whose BEGIN was lost is heard the next time.
const CROSSING_NS: u64 = 500 * NS_PER_MS;
/// Pause between two walks, so that a backup that can not complete one does not keep the primary
/// walking for ever.
const PAUSE_NS: u64 = 500 * NS_PER_MS;

/// Time between the end of the table and the END of a scrub: in a healthy cluster what waits in
/// the queues is told of by then, so that the sweep finds nothing.
const SCRUB_END_NS: u64 = NS_PER_S;

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

/// What the walker of a primary wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// Begin a walk.
    Begin {
        /// Whether it is a scrub.
        scrub: bool,
    },
    /// Go on with the walk that is running.
    Go {
        /// Most entries.
        budget: u32,
    },
    /// Say that the walk has ended.
    End(ResyncEnd),
}

/// A walk that is running.
#[derive(Clone, Copy)]
struct Running {
    /// What will be said at its end.
    end: ResyncEnd,
    scrub: bool,
    /// When its end is to be said, once it has come to the end of the table.
    end_at: Option<Time>,
}

/// The walks of one stream.
pub(super) struct Walker {
    /// Records of a resync per second, 0 is unlimited.
    rate: u32,
    /// Time in which a scrub goes through the table, in nanoseconds; 0 is no scrub.
    scrub_interval: u64,
    /// The walk that runs or ran last, as far as it got.
    last: ResyncEnd,
    running: Option<Running>,
    /// Whether another walk is to follow.
    wanted: bool,
    /// When the last walk began.
    began: Time,
    /// No walk begins before.
    earliest: Time,
    /// When the next scrub begins; `None` before the first walk.
    scrub_at: Option<Time>,
    bucket: Bucket,
    pacer: Pacer,
}

impl Walker {
    /// A walker that has not been asked for anything. `rate` is in records per second, 0 is
    /// unlimited; `scrub_interval` in nanoseconds, 0 is never.
    pub(super) fn new(rate: u32, scrub_interval: u64) -> Self {
        Self {
            rate,
            scrub_interval,
            last: ResyncEnd::default(),
            running: None,
            wanted: false,
            began: Time::ZERO,
            earliest: Time::ZERO,
            scrub_at: None,
            bucket: Bucket::new(rate),
            pacer: Pacer::NEW,
        }
    }

    /// Changes the settings, from the next walk on or, where it is a resync, for the present one.
    pub(super) fn configure(&mut self, rate: u32, scrub_interval: u64) {
        self.rate = rate;
        self.scrub_interval = scrub_interval;
        self.scrub_at = self.scrub_at.map(|_| self.began.after(scrub_interval));
        self.set_pace();
    }

    /// Forgets everything, for a new stream.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.rate, self.scrub_interval);
    }

    /// Asks for a walk from the beginning, after the one that is running.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Takes a request of a backup that can use a walk which begins in frame `from` or later; 0 if
    /// it knows no number.
    pub(super) fn request(&mut self, from: u64, now: Time) {
        let served = if from == 0 {
            now.since(self.began) < CROSSING_NS && self.last.generation != 0
        } else {
            self.last.begin >= from && (self.running.is_some() || now < self.earliest)
        };
        match &mut self.running {
            Some(running) if served && running.scrub => {
                // The same walk, but somebody waits for it.
                running.scrub = false;
                self.set_pace();
            }
            _ => self.wanted |= !served,
        }
    }

    /// Sets the rate for the walk that is running.
    fn set_pace(&mut self) {
        if !self.running.is_some_and(|running| running.scrub) {
            self.bucket.set_rate(self.pacer.rate(self.rate));
        }
    }

    /// Sets the rate for a scrub of `count` entries.
    fn set_scrub_pace(&mut self, count: u32) {
        let interval_s = (self.scrub_interval / NS_PER_S).clamp(1, u64::from(u32::MAX));
        let rate = count / u32::try_from(interval_s).unwrap_or(1) + 1;
        self.bucket.set_slow_rate(rate);
    }

    /// Counts a data frame that is sent.
    pub(super) fn note_sent(&mut self) {
        self.pacer.note_sent();
    }

    /// Counts frames that have to be repaired.
    pub(super) fn note_lost(&mut self, frames: u32) {
        self.pacer.note_lost(frames);
    }

    /// What is to be done now.
    pub(super) fn step(&mut self, now: Time) -> Step {
        if self.pacer.tick(now) {
            self.set_pace();
        }
        self.bucket.refill(now);
        match self.running {
            Some(running) if running.scrub && self.wanted => self.begin_step(now),
            Some(Running {
                end,
                end_at: Some(at),
                ..
            }) if now >= at => Step::End(end),
            Some(running) if running.end_at.is_some() => Step::Rest,
            Some(_) => match self.bucket.available() {
                0 => Step::Rest,
                available => Step::Go {
                    budget: available.min(WALK_BATCH),
                },
            },
            None => self.begin_step(now),
        }
    }

    /// Whether a walk is to begin now.
    fn begin_step(&self, now: Time) -> Step {
        match self.begin_at() {
            Some(at) if now >= at => Step::Begin {
                scrub: !self.wanted,
            },
            _ => Step::Rest,
        }
    }

    /// When the next walk is to begin.
    fn begin_at(&self) -> Option<Time> {
        if self.wanted {
            return Some(self.earliest);
        }
        let scrubs = self.scrub_interval != 0;
        let at = self.scrub_at.filter(|_| scrubs)?;
        Some(at.max(self.earliest))
    }

    /// When [`Walker::step`] will have something to do, `None` for not by itself.
    pub(super) fn next(&self) -> Option<Time> {
        match self.running {
            Some(running) if running.scrub && self.wanted => self.begin_at(),
            Some(running) => Some(running.end_at.unwrap_or_else(|| self.bucket.next())),
            None => self.begin_at(),
        }
    }

    /// Begins a walk in frame `seq`, of a table of `count` entries; returns its generation.
    pub(super) fn begin(&mut self, now: Time, scrub: bool, seq: u64, count: u32) -> u32 {
        let generation = self.last.generation.saturating_add(1);
        self.last = ResyncEnd {
            generation,
            count: 0,
            begin: seq,
        };
        self.running = Some(Running {
            end: self.last,
            scrub,
            end_at: None,
        });
        self.began = now;
        self.scrub_at = Some(now.after(self.scrub_interval));
        if scrub {
            self.set_scrub_pace(count);
        } else {
            self.wanted = false;
            self.set_pace();
        }
        generation
    }

    /// Counts an entry that the running walk tells of. Returns false if none is running.
    pub(super) fn tell(&mut self) -> bool {
        self.bucket.spend();
        match &mut self.running {
            Some(running) => {
                running.end.count = running.end.count.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// Takes the news that the running walk has come to the end of the table.
    pub(super) fn end(&mut self, now: Time) {
        if let Some(running) = &mut self.running {
            let delay = if running.scrub { SCRUB_END_NS } else { 0 };
            running.end_at.get_or_insert(now.after(delay));
        }
    }

    /// Takes the news that the end was said.
    pub(super) fn ended(&mut self, now: Time) {
        self.running = None;
        self.earliest = now.after(PAUSE_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate::PACER_WINDOW_NS;
    use super::*;

    /// How many records a caller that polls every `poll_ns` may send in ten seconds.
    fn sent_in_10_s(rate: u32, poll_ns: u64) -> u32 {
        let mut walker = Walker::new(rate, 0);
        walker.want();
        let start = Time(NS_PER_S);
        assert_eq!(walker.step(start), Step::Begin { scrub: false });
        walker.begin(start, false, 1, 0);
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
        let mut walker = Walker::new(100, 0);
        walker.want();
        let mut now = Time(NS_PER_S);
        walker.begin(now, false, 1, 0);
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

    const BEGIN: Step = Step::Begin { scrub: false };

    /// Ends the running walk.
    fn end(walker: &mut Walker, now: Time) {
        walker.end(now);
        assert!(matches!(walker.step(now), Step::End(_)));
        walker.ended(now);
    }

    #[test]
    fn a_request_leads_to_one_walk() {
        let mut walker = Walker::new(0, 0);
        let now = Time(NS_PER_S);
        walker.request(0, now);
        assert_eq!(walker.step(now), BEGIN);
        assert_eq!(walker.begin(now, false, 5, 0), 1);
        walker.request(0, now);
        walker.request(5, now);
        end(&mut walker, now);
        let later = now.after(PAUSE_NS);
        assert_eq!(
            walker.step(later),
            Step::Rest,
            "one is enough for all these"
        );
        walker.request(6, now);
        assert_eq!(walker.step(now), Step::Rest, "a pause");
        assert_eq!(walker.step(later), BEGIN);
    }

    #[test]
    fn a_request_is_not_ignored_for_long() {
        let mut walker = Walker::new(0, 0);
        walker.begin(Time(NS_PER_S), false, 5, 0);
        end(&mut walker, Time(NS_PER_S));
        let late = Time(NS_PER_S).after(CROSSING_NS.max(PAUSE_NS));
        walker.request(0, late);
        assert_eq!(walker.step(late), BEGIN);
        walker.begin(late, false, 9, 0);
        end(&mut walker, late);
        walker.request(5, late.after(PAUSE_NS));
        assert_eq!(walker.step(late.after(PAUSE_NS)), BEGIN);
    }

    #[test]
    fn a_scrub_takes_its_time_and_gives_way_to_a_resync() {
        let interval = 100 * NS_PER_S;
        let mut walker = Walker::new(0, interval);
        let start = Time(NS_PER_S);
        assert_eq!(walker.next(), None, "the first walk is not a scrub");
        walker.begin(start, false, 1, 1000);
        end(&mut walker, start);
        let scrub_at = start.after(interval);
        assert_eq!(walker.next(), Some(scrub_at));
        assert_eq!(walker.step(scrub_at), Step::Begin { scrub: true });
        walker.begin(scrub_at, true, 2, 1000);
        let mut now = scrub_at;
        for _ in 0..1000 {
            while !matches!(walker.step(now), Step::Go { .. }) {
                now = walker.next().unwrap();
            }
            assert!(walker.tell());
        }
        let took = now.since(scrub_at);
        assert!((80 * NS_PER_S..interval).contains(&took), "{took}");
        walker.end(now);
        assert_eq!(walker.step(now), Step::Rest, "what waits comes first");
        walker.request(3, now);
        assert_eq!(walker.step(now), BEGIN, "it is given up");
    }

    #[test]
    fn a_scrub_that_somebody_can_use_becomes_a_resync() {
        let mut walker = Walker::new(0, 100 * NS_PER_S);
        let now = Time(NS_PER_S);
        assert_eq!(walker.step(now), Step::Rest);
        walker.begin(now, true, 2, 1000);
        assert_eq!(walker.step(now), Step::Rest);
        walker.request(2, now);
        assert_eq!(walker.step(now), Step::Go { budget: WALK_BATCH });
    }

    #[test]
    fn much_loss_slows_a_walk_down_and_its_end_lets_it_recover() {
        let mut walker = Walker::new(1600, 0);
        let mut now = Time(NS_PER_S);
        walker.begin(now, false, 1, 0);
        let mut window = |walker: &mut Walker, lost: u32| {
            (0..80).for_each(|_| walker.note_sent());
            walker.note_lost(lost);
            now = now.after(PACER_WINDOW_NS);
            walker.step(now);
            walker.bucket.rate
        };
        assert_eq!(window(&mut walker, 10), 1600, "a few are not much");
        let rates: Vec<_> = (0..6).map(|_| window(&mut walker, 11)).collect();
        assert_eq!(rates, [800, 400, 200, 100, 100, 100]);
        let rates: Vec<_> = (0..5).map(|_| window(&mut walker, 0)).collect();
        assert_eq!(rates, [200, 400, 800, 1600, 1600]);
    }
}
