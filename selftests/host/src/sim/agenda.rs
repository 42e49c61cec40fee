// SPDX-License-Identifier: GPL-2.0

//! What is planned, in the order of its time.
//!
//! Nearly all events are frames that arrive within a fraction of a second, and there are very many. So time is
//! divided into slots that lie in a ring (a timer wheel), and only the events of one slot are sorted, when its time has
//! come. What is farther away than the ring reaches is in a heap.

use crate::proto::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A slot is so many nanoseconds long, as a power of two: less than a frame takes at least.
const SLOT_BITS: u32 = 15;
/// Slots of the ring: 268 ms.
const SLOTS: usize = 1 << 13;
/// Slots that one word has a bit for.
const WORD_BITS: usize = 64;
/// No event.
const NOTHING: u32 = u32::MAX;

/// When an event is due: its time, a number that rises with each plan, and the place of the event.
type Due = (u64, u32, u32);

/// A place for an event.
struct Place<E> {
    time: u64,
    number: u32,
    /// The next place of the same slot.
    next: u32,
    event: Option<E>,
}

/// Events of type `E`. Of two at one time the one that was planned first comes first.
pub(super) struct Agenda<E> {
    number: u32,
    places: Vec<Place<E>>,
    /// Free places.
    free: Vec<u32>,
    /// What is due up to the end of slot `at`, the last one first.
    current: Vec<Due>,
    /// The number of the latest slot whose events are in `current`.
    at: u64,
    /// The first event of each slot of the ring, which lie behind `at`.
    slots: Vec<u32>,
    /// Which slots have any.
    used: [u64; SLOTS / WORD_BITS],
    /// Events in the ring.
    ring: usize,
    /// What was behind the ring when it was planned.
    far: BinaryHeap<Reverse<Due>>,
}

impl<E> Agenda<E> {
    /// Nothing planned.
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            places: Vec::new(),
            free: Vec::new(),
            current: Vec::new(),
            at: 0,
            slots: vec![NOTHING; SLOTS],
            used: [0; SLOTS / WORD_BITS],
            ring: 0,
            far: BinaryHeap::new(),
        }
    }

    /// Plans an event for `time`, which is not before `now`.
    pub(super) fn plan(&mut self, now: Time, time: Time, event: E) {
        if self.current.is_empty() && self.ring == 0 {
            self.at = now.0 >> SLOT_BITS;
        }
        self.number += 1;
        let slot = time.0 >> SLOT_BITS;
        let due = (time.0, self.number, self.keep(time, event));
        if slot <= self.at {
            let behind = self.current.partition_point(|other| *other > due);
            self.current.insert(behind, due);
        } else if slot - self.at < SLOTS as u64 {
            let slot = slot as usize % SLOTS;
            self.places[due.2 as usize].next = std::mem::replace(&mut self.slots[slot], due.2);
            self.used[slot / WORD_BITS] |= 1 << (slot % WORD_BITS);
            self.ring += 1;
        } else {
            self.far.push(Reverse(due));
        }
    }

    /// Puts an event into a place.
    fn keep(&mut self, time: Time, event: E) -> u32 {
        let place = Place {
            time: time.0,
            number: self.number,
            next: NOTHING,
            event: Some(event),
        };
        match self.free.pop() {
            Some(at) => {
                self.places[at as usize] = place;
                at
            }
            None => {
                self.places.push(place);
                self.places.len() as u32 - 1
            }
        }
    }

    /// The first slot behind `at` that has an event, as a distance from `at`.
    fn next_slot(&self) -> Option<u64> {
        let start = (self.at as usize + 1) % SLOTS;
        let words = self.used.len();
        // The word of `start` is looked at twice: for its later bits first, for the earlier ones last.
        (0..=words).find_map(|n| {
            let word = (start / WORD_BITS + n) % words;
            let later = u64::MAX << (start % WORD_BITS);
            let bits = match n {
                0 => self.used[word] & later,
                n if n == words => self.used[word] & !later,
                _ => self.used[word],
            };
            let slot = word * WORD_BITS + bits.trailing_zeros() as usize;
            (bits != 0).then(|| ((slot + SLOTS - start) % SLOTS) as u64 + 1)
        })
    }

    /// Has `current` hold the next event of the ring, if there is one.
    fn advance(&mut self) {
        if !self.current.is_empty() || self.ring == 0 {
            return;
        }
        let Some(distance) = self.next_slot() else {
            return;
        };
        self.at += distance;
        let slot = self.at as usize % SLOTS;
        self.used[slot / WORD_BITS] &= !(1 << (slot % WORD_BITS));
        let mut next = std::mem::replace(&mut self.slots[slot], NOTHING);
        while next != NOTHING {
            let place = &self.places[next as usize];
            self.current.push((place.time, place.number, next));
            next = place.next;
        }
        self.ring -= self.current.len();
        self.current.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The next event of the ring and of the heap.
    fn peek(&mut self) -> (Option<Due>, Option<Due>) {
        self.advance();
        let far = self.far.peek().map(|&Reverse(due)| due);
        (self.current.last().copied(), far)
    }

    /// Takes the next event if it is due by `limit`, with its time.
    pub(super) fn take_by(&mut self, limit: Time) -> Option<(Time, E)> {
        let (near, far) = self.peek();
        let is_far = far.is_some_and(|far| near.is_none_or(|near| far < near));
        let (time, _, place) = if is_far { far } else { near }.filter(|due| due.0 <= limit.0)?;
        if is_far {
            self.far.pop();
        } else {
            self.current.pop();
        }
        self.free.push(place);
        let event = self.places[place as usize].event.take()?;
        Some((Time(time), event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_time_and_of_their_plan() {
        let mut agenda = Agenda::new();
        for (time, event) in [(5, 'd'), (3, 'b'), (5, 'e'), (1, 'a'), (3, 'c')] {
            agenda.plan(Time::ZERO, Time(time), event);
        }
        assert_eq!(agenda.take_by(Time(0)), None);
        assert_eq!(agenda.take_by(Time(1)), Some((Time(1), 'a')));
        agenda.plan(Time(1), Time(5), 'f');
        let rest: String = std::iter::from_fn(|| agenda.take_by(Time(u64::MAX)))
            .map(|(_, event)| event)
            .collect();
        assert_eq!(rest, "bcdef");
    }

    #[test]
    fn near_and_far_events_mix() {
        let mut rng = crate::sim::Rng::new(1);
        let mut agenda = Agenda::new();
        let mut planned = std::collections::BTreeMap::new();
        let mut now = 0;
        for number in 0..100_000u32 {
            // From the same moment to some seconds, mostly within the ring.
            let reach = 1 << rng.below(33);
            let time = now + rng.below(reach);
            agenda.plan(Time(now), Time(time), number);
            planned.insert((time, number), ());
            while planned.len() as u64 > rng.below(200) {
                let ((time, number), ()) = planned.pop_first().unwrap();
                if time != now {
                    assert_eq!(agenda.take_by(Time(time - 1)), None);
                }
                assert_eq!(agenda.take_by(Time(time)), Some((Time(time), number)));
                now = time;
            }
        }
        let end = Time(u64::MAX);
        assert!(planned
            .into_keys()
            .all(|(time, number)| agenda.take_by(end) == Some((Time(time), number))));
        assert_eq!(agenda.take_by(end), None);
    }
}
