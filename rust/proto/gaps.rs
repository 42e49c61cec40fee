// SPDX-License-Identifier: GPL-2.0

//! The numbers that a backup lacks (§7.1).

use super::range::Range;

/// Ranges that are kept apart at most. At 10 000 frames a second and 20 % loss this many open
/// while a repair takes 30 ms; beyond that neighbours are taken as one.
pub const GAPS_MAX: usize = 64;

/// A set of numbers: ranges in rising order that do not touch.
pub(super) struct Gaps {
    ranges: [Range; GAPS_MAX],
    len: usize,
}

impl Gaps {
    /// No numbers.
    pub(super) const fn new() -> Self {
        const NOTHING: Range = Range { first: 0, last: 0 };
        Self {
            ranges: [NOTHING; GAPS_MAX],
            len: 0,
        }
    }

    /// The ranges.
    pub(super) fn ranges(&self) -> &[Range] {
        self.ranges.get(..self.len).unwrap_or_default()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// The lowest number.
    pub(super) fn first(&self) -> Option<u64> {
        self.ranges().first().map(|range| range.first)
    }

    /// Whether one of `range` is among them.
    pub(super) fn meets(&self, range: &Range) -> bool {
        self.ranges().iter().any(|own| own.meets(range))
    }

    /// Adds numbers that are above all that are there. When there is no place for another range,
    /// what lies before it is added as well: to be told of it again does no harm.
    pub(super) fn push(&mut self, range: Range) {
        match self.ranges.get_mut(self.len) {
            Some(place) => {
                *place = range;
                self.len += 1;
            }
            None => {
                if let Some(last) = self.ranges.last_mut() {
                    last.last = range.last;
                }
            }
        }
    }

    /// Takes numbers away; returns how many of them were there.
    ///
    /// The middle of a range stays when there is no place for another range.
    pub(super) fn remove(&mut self, range: &Range) -> u64 {
        let mut removed = 0;
        let mut at = 0;
        while let Some(own) = self.ranges().get(at).copied() {
            if own.first > range.last {
                break;
            }
            let (kept, count) = self.cut(at, own, range);
            removed += count;
            at += kept;
        }
        removed
    }

    /// Takes `range` away from the range `own` in place `at`. Returns how many places are left of
    /// it, and how many numbers were taken.
    fn cut(&mut self, at: usize, own: Range, range: &Range) -> (usize, u64) {
        let head = own.first < range.first;
        let tail = range.last < own.last;
        if !own.meets(range) || (head && tail && self.len == GAPS_MAX) {
            return (1, 0);
        }
        let before = Range {
            first: own.first,
            last: range.first.saturating_sub(1),
        };
        let after = Range {
            first: range.last.saturating_add(1),
            last: own.last,
        };
        let left = match (head, tail) {
            (false, false) => {
                self.ranges.copy_within(at + 1..self.len, at);
                self.len -= 1;
                return (0, own.count());
            }
            (true, false) => before,
            (false, true) => after,
            (true, true) => {
                self.ranges.copy_within(at..self.len, at + 1);
                self.len += 1;
                self.set(at + 1, after);
                self.set(at, before);
                return (2, range.count());
            }
        };
        self.set(at, left);
        (1, own.count() - left.count())
    }

    /// Changes the range in a place.
    fn set(&mut self, at: usize, range: Range) {
        if let Some(place) = self.ranges.get_mut(at) {
            *place = range;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn numbers(gaps: &Gaps) -> BTreeSet<u64> {
        gaps.ranges()
            .iter()
            .flat_map(|r| r.first..=r.last)
            .collect()
    }

    #[test]
    fn it_is_a_set() {
        let mut seed = 1u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let (mut gaps, mut model, mut next) = (Gaps::new(), BTreeSet::new(), 0);
            for _ in 0..100 {
                if random(2) == 0 && gaps.ranges().len() < GAPS_MAX {
                    let first = next + 2 + random(4);
                    next = first + random(5);
                    gaps.push(Range { first, last: next });
                    model.extend(first..=next);
                } else if gaps.ranges().len() < GAPS_MAX {
                    let first = random(next + 3);
                    let last = first + random(12);
                    let before = model.len() as u64;
                    model.retain(|n| !(first..=last).contains(n));
                    let removed = gaps.remove(&Range { first, last });
                    assert_eq!(removed, before - model.len() as u64);
                }
                assert_eq!(numbers(&gaps), model);
                assert_eq!(gaps.first(), model.first().copied());
            }
        }
    }

    #[test]
    fn a_full_set_takes_neighbours_as_one_and_keeps_the_middle() {
        let mut gaps = Gaps::new();
        for n in 0..GAPS_MAX as u64 + 3 {
            gaps.push(Range {
                first: n * 10,
                last: n * 10 + 5,
            });
        }
        assert_eq!(gaps.ranges().len(), GAPS_MAX);
        let last = *gaps.ranges().last().unwrap();
        assert_eq!(last.last, (GAPS_MAX as u64 + 2) * 10 + 5);
        assert_eq!(gaps.remove(&Range::one(12)), 0, "no place for two");
        assert_eq!(gaps.remove(&Range::one(10)), 1);
        let all = Range {
            first: 0,
            last: u64::MAX,
        };
        assert_ne!(gaps.remove(&all), 0);
        assert!(gaps.is_empty());
    }
}
