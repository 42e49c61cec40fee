// SPDX-License-Identifier: GPL-2.0

//! What is planned, in the order of its time.
//!
//! A third of the time of a simulation was spent here, so the heap holds small keys only, and the
//! events lie still beside it.

use crate::proto::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events of type `E`. Of two at one time the one that was planned first comes first.
pub(super) struct Agenda<E> {
    /// Time, a number that rises with each plan, and the place of the event.
    due: BinaryHeap<Reverse<(u64, u32, u32)>>,
    number: u32,
    events: Vec<Option<E>>,
    /// Free places.
    free: Vec<u32>,
}

impl<E> Agenda<E> {
    /// Nothing planned.
    pub(super) fn new() -> Self {
        Self {
            due: BinaryHeap::new(),
            number: 0,
            events: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Plans an event.
    pub(super) fn plan(&mut self, time: Time, event: E) {
        self.number += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place as usize] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() as u32 - 1
            }
        };
        self.due.push(Reverse((time.0, self.number, place)));
    }

    /// The time of the next event, the end of all time if there is none.
    pub(super) fn next(&self) -> Time {
        self.due
            .peek()
            .map_or(Time(u64::MAX), |&Reverse((time, ..))| Time(time))
    }

    /// Takes the next event.
    pub(super) fn take(&mut self) -> Option<E> {
        let Reverse((.., place)) = self.due.pop()?;
        self.free.push(place);
        self.events[place as usize].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_time_and_of_their_plan() {
        let mut agenda = Agenda::new();
        for (time, event) in [(5, 'd'), (3, 'b'), (5, 'e'), (1, 'a'), (3, 'c')] {
            agenda.plan(Time(time), event);
        }
        assert_eq!(agenda.next(), Time(1));
        assert_eq!(agenda.take(), Some('a'));
        agenda.plan(Time(5), 'f');
        let rest: String = std::iter::from_fn(|| agenda.take()).collect();
        assert_eq!(rest, "bcdef");
        assert_eq!(agenda.next(), Time(u64::MAX));
    }
}
