// SPDX-License-Identifier: GPL-2.0

//! Nodes that are given anything: frames of each other, damaged in ways that get past the first
//! checks, at any time and in any role, while connections come and go.
//!
//! One number determines a run completely. What has to hold: no panic and no overflow, no loop
//! without an end, what is sent is understood, and what is given to the table is what the C side
//! relies on. That tables become equal is the simulator's business (`sim`).

mod frames;
mod node;
mod table;

use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::proto::{Role, Time, Truth};
use crate::sim::Rng;
use frames::Pool;
use node::Victim;

/// Nodes of a run.
const NODES: u64 = 3;
/// Steps of a run.
const STEPS: u32 = 400;

/// Does one run.
pub fn run(number: u64) {
    let mut rng = Rng::new(number);
    let mut now = Time(NS_PER_S);
    let mut pool = Pool::new();
    let mut victims: Vec<_> = (1..=NODES as u32)
        .map(|id| Victim::new(id, &mut rng))
        .collect();
    victims[0].promote(now);
    for _ in 0..STEPS {
        now = now.after(pause(&mut rng));
        let who = rng.below(NODES) as usize;
        step(&mut victims[who], &mut pool, now, &mut rng);
        for frame in victims[who].send(now, &mut rng) {
            for (other, victim) in victims.iter_mut().enumerate() {
                if other != who && rng.happens(800_000) {
                    victim.receive(&frame, now);
                }
            }
            pool.add(frame, &mut rng);
        }
    }
}

/// How long nothing happens.
fn pause(rng: &mut Rng) -> u64 {
    let longest = *rng.of(&[NS_PER_MS, 40 * NS_PER_MS, 3 * NS_PER_S]);
    rng.below(longest)
}

/// Lets something happen to a node.
fn step(victim: &mut Victim, pool: &mut Pool, now: Time, rng: &mut Rng) {
    match rng.below(20) {
        0 => victim.promote(now),
        1 => victim.demote(now),
        2 => victim.node.request_walk(&victim.stats),
        3 => victim.reconfigure(rng),
        4 => victim.table.lose(rng),
        5 if rng.happens(200_000) => victim.restart(rng),
        5..=9 => change(victim, now, rng),
        10..=12 => victim.receive(pool.any(rng), now),
        _ => {
            let frame = pool.damaged(rng);
            victim.receive(&frame, now);
        }
    }
}

/// A connection of a primary begins, changes or ends.
fn change(victim: &mut Victim, now: Time, rng: &mut Rng) {
    if victim.node.role() != Role::Primary || !victim.node.has_room() {
        return;
    }
    let entry = table::connection(rng);
    let ends = rng.happens(300_000);
    let known = victim.table.set(&entry, ends);
    let truth = match (ends, known) {
        (true, _) => Truth::Absent(&entry.key),
        (false, true) => Truth::Changed(&entry),
        (false, false) => Truth::Present(&entry),
    };
    victim.node.handle_truth(truth, now, &victim.stats);
}
