// SPDX-License-Identifier: GPL-2.0

//! A bounded ring of keys: many producers, one consumer, no lock.
//!
//! Producers run in softirq and may interrupt a producer in process context on the same CPU, so a
//! producer must never wait for another. Each slot has a sequence number of its own (Vyukov's
//! bounded queue): a producer claims a position by a compare-exchange on `tail`, writes the slot,
//! and publishes it by storing the slot's number. The consumer frees the slot in the same way.
//!
//! The key is kept as words of atomic type. They are written and read relaxed, and the slot's
//! number orders them (release when stored, acquire when loaded), so nothing here is unsafe and
//! a stale key can not be seen.

use crate::atomic::{Acquire, Atomic, Relaxed, Release};
use crate::buffer::Buffer;
use crate::proto::{Endpoints, Key};

/// Words that hold one key.
const KEY_WORDS: usize = 6;

/// One place of the ring.
// A cache line each: a producer and the consumer work on neighbouring slots at the same time.
#[repr(align(64))]
pub struct Slot {
    /// `position` when free for that position, `position + 1` when it holds that position's key.
    turn: Atomic<u64>,
    /// The key, see [`pack`].
    words: [Atomic<u64>; KEY_WORDS],
}

impl Slot {
    /// Makes a slot for the storage of a [`Queue`].
    pub fn new() -> Self {
        Self {
            turn: Atomic::new(0),
            words: core::array::from_fn(|_| Atomic::new(0)),
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

/// A position on a cache line of its own.
#[repr(align(64))]
struct Position(Atomic<u64>);

/// The ring is full: the key was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The length of the storage is not a power of two, or below two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadCapacity;

/// The right to take keys out; whoever drains the queue owns the only one.
#[derive(Debug)]
pub struct Consumer(());

impl Consumer {
    /// Makes the right; one for each set of queues that one thread drains.
    // No `Default`: that would make a second one too easy to come by.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(())
    }
}

/// The ring.
pub struct Queue {
    slots: Buffer<Slot>,
    /// `slots.len() - 1`.
    mask: u64,
    /// Next position to claim; written by producers.
    tail: Position,
    /// Next position to take; written by the consumer.
    head: Position,
}

impl Queue {
    /// Makes an empty ring with a place for `slots.len()` keys.
    ///
    /// # Errors
    ///
    /// [`BadCapacity`] unless the length is a power of two, and at least two.
    pub fn new(slots: Buffer<Slot>) -> Result<Self, BadCapacity> {
        // With one slot, "holds this position" and "free for the next" would be the same number.
        if slots.len() < 2 || !slots.len().is_power_of_two() {
            return Err(BadCapacity);
        }
        for (index, slot) in slots.iter().enumerate() {
            slot.turn.store(index as u64, Relaxed);
        }
        let mask = slots.len() as u64 - 1;
        Ok(Self {
            slots,
            mask,
            tail: Position(Atomic::new(0)),
            head: Position(Atomic::new(0)),
        })
    }

    /// Puts a key in.
    ///
    /// # Errors
    ///
    /// [`Full`] when every slot holds a key, or is still being written or read.
    ///
    /// # Context
    ///
    /// Any, also interrupting another `push`. Never sleeps; retries only when another producer
    /// has succeeded.
    pub fn push(&self, key: &Key) -> Result<(), Full> {
        let mut position = self.tail.0.load(Relaxed);
        loop {
            let slot = self.slot(position).ok_or(Full)?;
            let turn = slot.turn.load(Acquire);
            if turn < position {
                return Err(Full);
            }
            if turn > position {
                position = self.tail.0.load(Relaxed);
                continue;
            }
            match self.tail.0.cmpxchg(position, position + 1, Relaxed) {
                Ok(_) => {
                    slot.fill(key, position);
                    return Ok(());
                }
                Err(moved) => position = moved,
            }
        }
    }

    /// Takes the oldest key out, or `None` when there is none.
    ///
    /// A key whose `push` has not returned yet hides those behind it; that `push`'s caller is to
    /// wake the consumer after it, as every producer does.
    pub fn pop(&self, _consumer: &mut Consumer) -> Option<Key> {
        let position = self.head.0.load(Relaxed);
        let slot = self.slot(position)?;
        if slot.turn.load(Acquire) != position + 1 {
            return None;
        }
        let key = unpack(core::array::from_fn(|i| {
            slot.words.get(i).map_or(0, |word| word.load(Relaxed))
        }));
        slot.turn.store(position + self.mask + 1, Release);
        self.head.0.store(position + 1, Relaxed);
        Some(key)
    }

    /// Whether [`Queue::pop`] would find nothing now. A hint for anyone but the consumer.
    pub fn is_empty(&self) -> bool {
        let position = self.head.0.load(Relaxed);
        self.slot(position)
            .is_none_or(|slot| slot.turn.load(Acquire) != position + 1)
    }

    /// Number of keys that the ring can hold.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a position. `None` never happens: the mask is below the length.
    fn slot(&self, position: u64) -> Option<&Slot> {
        self.slots.get((position & self.mask) as usize)
    }
}

impl Slot {
    /// Writes the key of `position`, which the caller has claimed, and publishes it.
    fn fill(&self, key: &Key, position: u64) {
        for (word, value) in self.words.iter().zip(pack(key)) {
            word.store(value, Relaxed);
        }
        self.turn.store(position + 1, Release);
    }
}

/// The two halves of an address.
fn halves(address: [u8; 16]) -> [u64; 2] {
    let whole = u128::from_ne_bytes(address);
    [whole as u64, (whole >> 64) as u64]
}

/// The address of two halves.
fn joined(low: u64, high: u64) -> [u8; 16] {
    (u128::from(low) | (u128::from(high) << 64)).to_ne_bytes()
}

/// A key as words.
fn pack(key: &Key) -> [u64; KEY_WORDS] {
    let [src_low, src_high] = halves(key.original.src);
    let [dst_low, dst_high] = halves(key.original.dst);
    let ports = u64::from(key.original.src_port) | (u64::from(key.original.dst_port) << 16);
    let zone = u64::from(key.zone) | (u64::from(key.zone_dir) << 16);
    let rest =
        u64::from(key.family) | (u64::from(key.protocol) << 8) | (u64::from(key.hints) << 16);
    [
        src_low,
        src_high,
        dst_low,
        dst_high,
        ports | (zone << 32),
        rest,
    ]
}

/// The key that [`pack`] made words of.
fn unpack(words: [u64; KEY_WORDS]) -> Key {
    let [src_low, src_high, dst_low, dst_high, mixed, rest] = words;
    Key {
        original: Endpoints {
            src: joined(src_low, src_high),
            dst: joined(dst_low, dst_high),
            src_port: mixed as u16,
            dst_port: (mixed >> 16) as u16,
        },
        zone: (mixed >> 32) as u16,
        zone_dir: (mixed >> 48) as u8,
        family: rest as u8,
        protocol: (rest >> 8) as u8,
        hints: (rest >> 16) as u8,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A key that is different for each number, in every field.
    fn key(n: u32) -> Key {
        let [a, b, c, d] = n.to_be_bytes();
        Key {
            original: Endpoints {
                src: [a, b, c, d, 1, 2, 3, 4, 5, 6, 7, 8, d, c, b, a],
                dst: [d, c, b, a, 8, 7, 6, 5, 4, 3, 2, 1, a, b, c, d],
                src_port: n as u16,
                dst_port: !n as u16,
            },
            zone: n.wrapping_mul(3) as u16,
            zone_dir: 3,
            family: 4,
            protocol: d,
            hints: d & 1,
        }
    }

    fn queue(capacity: usize) -> Queue {
        let slots: Vec<_> = (0..capacity).map(|_| Slot::new()).collect();
        Queue::new(slots.into()).unwrap()
    }

    #[test]
    fn keys_come_out_in_order_and_whole() {
        let (queue, mut consumer) = (queue(4), Consumer::new());
        for n in 0..100 {
            queue.push(&key(n * 2)).unwrap();
            queue.push(&key(n * 2 + 1)).unwrap();
            assert!(!queue.is_empty());
            assert_eq!(queue.pop(&mut consumer), Some(key(n * 2)));
            assert_eq!(queue.pop(&mut consumer), Some(key(n * 2 + 1)));
            assert_eq!(queue.pop(&mut consumer), None);
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_full_ring_refuses_and_keeps_what_it_has() {
        let (queue, mut consumer) = (queue(4), Consumer::new());
        for n in 0..4 {
            queue.push(&key(n)).unwrap();
        }
        assert_eq!(queue.push(&key(9)), Err(Full));
        assert_eq!(queue.pop(&mut consumer), Some(key(0)));
        assert_eq!(queue.push(&key(4)), Ok(()));
        assert_eq!(queue.push(&key(9)), Err(Full));
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop(&mut consumer)).collect();
        assert_eq!(rest, [1, 2, 3, 4].map(key));
    }

    #[test]
    fn capacities_that_do_not_work_are_refused() {
        for (capacity, good) in [(0, false), (1, false), (2, true), (3, false), (64, true)] {
            let slots: Vec<_> = (0..capacity).map(|_| Slot::new()).collect();
            assert_eq!(Queue::new(slots.into()).is_ok(), good, "{capacity}");
        }
    }
}
