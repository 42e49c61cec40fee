// SPDX-License-Identifier: GPL-2.0

//! The queue under loom: every interleaving that the memory model allows.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release --test queue_loom`.

#![cfg(loom)]

use ct_sync_host::proto::Key;
use ct_sync_host::queue::{Consumer, Queue, Slot};
use loom::sync::Arc;
use loom::thread;

/// A key whose words all depend on `n`: one that is mixed from two is none of them.
fn key(n: u8) -> Key {
    let mut key = Key {
        zone: u16::from(n),
        protocol: n,
        ..Key::default()
    };
    key.original.src = [n; 16];
    key.original.dst = [n; 16];
    key
}

fn queue(capacity: usize) -> Arc<Queue> {
    let slots: Vec<_> = (0..capacity).map(|_| Slot::new()).collect();
    Arc::new(Queue::new(slots.into()).expect("a power of two"))
}

/// Explores with a bound on preemptions: two find all bugs of queues that were ever found so.
fn explore(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(body);
}

/// Takes until `n` keys have come.
fn take(queue: &Queue, n: usize) -> Vec<Key> {
    let mut consumer = Consumer::new();
    let mut keys = Vec::new();
    while keys.len() < n {
        match queue.pop(&mut consumer) {
            Some(key) => keys.push(key),
            None => thread::yield_now(),
        }
    }
    keys
}

/// Puts a key in, waiting while the ring is full.
fn put(queue: &Queue, n: u8) {
    while queue.push(&key(n)).is_err() {
        thread::yield_now();
    }
}

#[test]
fn two_producers_and_the_consumer() {
    explore(|| {
        let queue = queue(2);
        let producers = [1, 2].map(|n| {
            let queue = queue.clone();
            thread::spawn(move || put(&queue, n))
        });
        let mut keys = take(&queue, 2);
        keys.sort_by_key(|key| key.zone);
        assert_eq!(keys, [key(1), key(2)]);
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(queue.is_empty());
    });
}

#[test]
fn slots_are_used_again_while_the_ring_is_full() {
    explore(|| {
        let queue = queue(2);
        put(&queue, 1);
        put(&queue, 2);
        let producer = {
            let queue = queue.clone();
            thread::spawn(move || put(&queue, 3))
        };
        assert_eq!(take(&queue, 3), [1, 2, 3].map(key));
        producer.join().unwrap();
    });
}

#[test]
fn refusals_and_keys_add_up() {
    explore(|| {
        let queue = queue(2);
        put(&queue, 1);
        let producers = [2, 3].map(|n| {
            let queue = queue.clone();
            thread::spawn(move || queue.push(&key(n)).is_ok())
        });
        let first = take(&queue, 1);
        assert_eq!(first, [key(1)], "the oldest first");
        let taken: usize = producers
            .map(|producer| usize::from(producer.join().unwrap()))
            .iter()
            .sum();
        assert_eq!(take(&queue, taken).len(), taken);
        assert!(queue.is_empty());
        assert!(taken >= 1, "there was room for one of them");
    });
}
