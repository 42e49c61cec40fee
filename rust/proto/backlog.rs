// SPDX-License-Identifier: GPL-2.0

//! What the last frames of a primary were about, and which of them are to be told of anew (§7.2).
//!
//! For each frame the keys of its connections are kept, and its marks (END, REPAIRED, GONE): what
//! is sent again is not the frame, but what is true of the keys by then.

use super::key::Key;
use super::range::Range;
use super::ring::{Ring, RingFrame};
use super::time::{Time, NS_PER_MS};
use super::wire::bytes::{Reader, Writer};
use super::wire::record::{Record, Records, ResyncEnd};
use super::wire::remember::{expects, put_remembered};
use super::wire::write::put_gone;

/// A repair that the asking node has not seen may be under way for so long; less than the time
/// until a NACK is repeated.
const UNDER_WAY_NS: u64 = 20 * NS_PER_MS;

/// What is to be told next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// What is true of a connection.
    Key(Key),
    /// The end of a resync, again.
    End(ResyncEnd),
    /// That frames were made good.
    Repaired(Range),
    /// That frames can not be made good.
    Gone(Range),
    /// That this frame has been made good.
    Done(u64),
}

/// What came of a report of missing numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    /// Frames that will be told of anew.
    pub(super) frames: u32,
    /// Whether some can not be.
    pub(super) gone: bool,
}

/// The last frames, and which of them are wanted.
pub(super) struct Backlog {
    ring: Ring,
    /// Frames that are wanted.
    wanted: usize,
    /// No frame below is wanted.
    next: u64,
    /// Bytes of frame `next` that have been told of.
    told: usize,
    /// Numbers that were asked for and are not known any more.
    gone: Option<Range>,
}

impl Backlog {
    /// An empty backlog of as many frames as the ring holds.
    pub(super) fn new(ring: Ring) -> Self {
        Self {
            ring,
            wanted: 0,
            next: 0,
            told: 0,
            gone: None,
        }
    }

    /// Forgets everything, for a new stream.
    pub(super) fn clear(&mut self) {
        self.ring.clear();
        self.wanted = 0;
        self.next = 0;
        self.told = 0;
        self.gone = None;
    }

    /// Remembers a frame that is sent, in place of the oldest. If its records do not fit it is
    /// not remembered.
    pub(super) fn store(&mut self, seq: u64, payload: &[u8], count: u16) {
        self.put(seq, |w| {
            let mut before: &[u8] = &[];
            for body in Records::new(payload, count).into_iter().flatten() {
                if !expects(body, before) {
                    put_remembered(w, body);
                }
                before = body;
            }
        });
    }

    /// Remembers that a number was left out.
    pub(super) fn store_gone(&mut self, seq: u64) {
        self.put(seq, |w| put_gone(w, Range::one(seq)));
    }

    /// Takes a place for a number, and fills it by `write`.
    fn put(&mut self, seq: u64, write: impl FnOnce(&mut Writer<'_>)) {
        let before = self.ring.store(seq, write);
        self.wanted -= usize::from(before.is_some_and(|frame| frame.wanted));
    }

    /// Takes a report that `missing` is lacked by a node that has taken numbers up to `taken`;
    /// `used` is the last that was used.
    ///
    /// What has been made good by a frame that the node can not have seen yet, or that it reports
    /// as well, is left alone: it will have it with that frame.
    pub(super) fn want(
        &mut self,
        missing: impl Iterator<Item = Range> + Clone,
        taken: u64,
        used: u64,
        now: Time,
    ) -> Wanted {
        let kept = self.ring.len() as u64;
        let oldest = used.saturating_sub(kept).saturating_add(1);
        let mut wanted = Wanted::default();
        for range in missing.clone().filter(|range| range.first < oldest) {
            self.lose(Range {
                first: range.first,
                last: range.last.min(oldest - 1),
            });
            wanted.gone = true;
        }
        if wanted.gone {
            // Only a resync helps; to repair the rest as well would be double work.
            return wanted;
        }
        for range in missing.clone() {
            for seq in range.first..=range.last.min(used) {
                let served = |frame: &RingFrame| {
                    let by = frame.repaired_by;
                    let fresh = now.since(frame.repaired_at) < UNDER_WAY_NS;
                    let reported = || missing.clone().any(|range| range.contains(by));
                    by != 0 && ((by > taken && fresh) || reported())
                };
                match self.ring.frame(seq) {
                    None => {
                        self.lose(Range::one(seq));
                        wanted.gone = true;
                    }
                    Some(frame) if served(&frame) => {}
                    Some(_) => wanted.frames += u32::from(self.order(seq)),
                }
            }
        }
        wanted
    }

    /// Notes that a frame is to be told of anew; returns false if that was noted already.
    fn order(&mut self, seq: u64) -> bool {
        let Some(frame) = self.ring.frame_mut(seq).filter(|frame| !frame.wanted) else {
            return false;
        };
        frame.wanted = true;
        self.wanted += 1;
        if self.wanted == 1 || seq < self.next {
            self.next = seq;
            self.told = 0;
        }
        true
    }

    /// Notes that numbers are not known any more. What lies between two such reports is as old.
    fn lose(&mut self, range: Range) {
        let known = self.gone.unwrap_or(range);
        self.gone = Some(Range {
            first: known.first.min(range.first),
            last: known.last.max(range.last),
        });
    }

    /// Whether there is something to be told.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted != 0 || self.gone.is_some()
    }

    /// What is to be told next; `used` is the last number that was used.
    pub(super) fn step(&mut self, used: u64) -> Option<Step> {
        if let Some(range) = self.gone.take() {
            return Some(Step::Gone(range));
        }
        while self.wanted != 0 && self.next <= used {
            if self.ring.frame(self.next).is_some_and(|frame| frame.wanted) {
                return Some(self.take());
            }
            self.next += 1;
            self.told = 0;
        }
        None
    }

    /// Takes the next record of frame `next`.
    fn take(&mut self) -> Step {
        let seq = self.next;
        let bytes = self.ring.bytes(seq);
        let mut r = Reader(bytes.get(self.told..).unwrap_or_default());
        let body = r.u8().and_then(|len| r.slice(usize::from(len)));
        let Some(body) = body else {
            return Step::Done(seq);
        };
        self.told += 1 + body.len();
        match Record::decode(body, &mut 0) {
            Some(Record::Delete(key)) => Step::Key(key),
            Some(Record::ResyncEnd(end)) => Step::End(end),
            Some(Record::Repaired(range)) => Step::Repaired(range),
            Some(Record::Gone(range)) => Step::Gone(range),
            // Nothing else is remembered.
            _ => Step::Done(seq),
        }
    }

    /// Notes that a frame is made good by frame `by`.
    pub(super) fn done(&mut self, seq: u64, by: u64, now: Time) {
        if let Some(frame) = self.ring.frame_mut(seq).filter(|frame| frame.wanted) {
            frame.wanted = false;
            (frame.repaired_by, frame.repaired_at) = (by, now);
            self.wanted -= 1;
        }
        self.told = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{FAMILY_V4, ZONE_DIR_BOTH};
    use super::super::wire::write::{put_delete, put_resync_end, RECORD_MAX};
    use super::*;

    const NOW: Time = Time(NS_PER_MS);

    /// A ring of four frames.
    fn backlog() -> Backlog {
        let frames = vec![RingFrame::default(); 4];
        Backlog::new(Ring::new(frames.into(), vec![0; 4 * 100].into()))
    }

    fn key(port: u16) -> Key {
        let mut key = Key {
            zone_dir: ZONE_DIR_BOTH,
            family: FAMILY_V4,
            protocol: 6,
            ..Key::default()
        };
        key.original.src_port = port;
        key
    }

    /// The payload of a frame about `ports`.
    fn payload(ports: &[u16]) -> Vec<u8> {
        let mut place = [0; RECORD_MAX];
        let mut w = Writer::new(&mut place);
        ports
            .iter()
            .for_each(|&port| put_delete(&mut w, &key(port)));
        let len = w.finish().unwrap();
        place[..len].to_vec()
    }

    fn want(backlog: &mut Backlog, ranges: &[(u64, u64)], taken: u64, used: u64) -> Wanted {
        let ranges = ranges.iter().map(|&(first, last)| Range { first, last });
        backlog.want(ranges, taken, used, NOW)
    }

    /// All that is to be told; what is done is done in frame `by`.
    fn told(backlog: &mut Backlog, used: u64, by: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(step) = backlog.step(used) {
            if let Step::Done(seq) = step {
                backlog.done(seq, by, NOW);
            }
            steps.push(step);
        }
        assert!(!backlog.is_wanted());
        steps
    }

    #[test]
    fn the_keys_of_what_is_missing_are_told() {
        let mut b = backlog();
        for seq in 1..=6u64 {
            b.store(seq, &payload(&[seq as u16, 100]), 2);
        }
        assert_eq!(want(&mut b, &[(4, 4), (6, 6)], 6, 6).frames, 2);
        assert_eq!(want(&mut b, &[(4, 4)], 6, 6).frames, 0, "it is known");
        let both = |seq: u64| {
            [
                Step::Key(key(seq as u16)),
                Step::Key(key(100)),
                Step::Done(seq),
            ]
        };
        assert_eq!(told(&mut b, 6, 7), [both(4), both(6)].concat());
    }

    #[test]
    fn what_is_under_way_is_not_told_twice() {
        let mut b = backlog();
        (1..=4).for_each(|seq| b.store(seq, &payload(&[1]), 1));
        want(&mut b, &[(2, 2)], 4, 4);
        told(&mut b, 4, 5);
        b.store(5, &payload(&[1]), 1);
        assert_eq!(
            want(&mut b, &[(2, 2)], 4, 5).frames,
            0,
            "5 is not there yet"
        );
        assert_eq!(
            want(&mut b, &[(2, 2), (5, 5)], 6, 5).frames,
            1,
            "5 is enough"
        );
        told(&mut b, 5, 6);
        assert_eq!(want(&mut b, &[(2, 2)], 6, 5).frames, 1, "6 did not help");
        told(&mut b, 5, 7);
        let later = NOW.after(UNDER_WAY_NS);
        let again = b.want([Range::one(2)].into_iter(), 6, 5, later);
        assert_eq!(again.frames, 1, "7 was lost");
    }

    #[test]
    fn what_is_too_old_is_gone() {
        let mut b = backlog();
        (1..=6).for_each(|seq| b.store(seq, &payload(&[1]), 1));
        let wanted = want(&mut b, &[(1, 1), (2, 4)], 6, 6);
        assert_eq!((wanted.frames, wanted.gone), (0, true));
        let gone = Step::Gone(Range { first: 1, last: 2 });
        assert_eq!(told(&mut b, 6, 7), [gone]);
        b.store_gone(7);
        want(&mut b, &[(7, 7)], 7, 7);
        let steps = told(&mut b, 7, 8);
        assert_eq!(steps[0], Step::Gone(Range::one(7)));
        assert_eq!(want(&mut b, &[(9, u64::MAX)], 7, 7), Wanted::default());
    }

    #[test]
    fn a_frame_that_gives_way_is_not_told_of() {
        let mut b = backlog();
        (1..=4).for_each(|seq| b.store(seq, &payload(&[seq as u16]), 1));
        want(&mut b, &[(1, 2)], 4, 4);
        assert_eq!(b.step(4), Some(Step::Key(key(1))));
        b.store(5, &payload(&[5]), 1);
        assert_eq!(told(&mut b, 5, 6), [Step::Key(key(2)), Step::Done(2)]);
    }

    #[test]
    fn marks_are_told_again() {
        let mut b = backlog();
        let end = ResyncEnd {
            generation: 1,
            count: 2,
            begin: 3,
        };
        let mut place = [0; 40];
        let mut w = Writer::new(&mut place);
        put_resync_end(&mut w, &end);
        let len = w.finish().unwrap();
        b.store(1, &place[..len], 1);
        want(&mut b, &[(1, 1)], 1, 1);
        assert_eq!(told(&mut b, 1, 2), [Step::End(end), Step::Done(1)]);
    }

    #[test]
    fn without_places_everything_is_gone() {
        let mut b = Backlog::new(Ring::new(vec![].into(), vec![].into()));
        b.store(1, &payload(&[1]), 1);
        assert!(want(&mut b, &[(1, 1)], 1, 1).gone);
        assert_eq!(told(&mut b, 1, 2), [Step::Gone(Range::one(1))]);
    }
}
