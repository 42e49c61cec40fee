// SPDX-License-Identifier: GPL-2.0

//! What a simulated cluster is like, and what it has to go through.

use super::rng::Rng;
use crate::proto::time::{NS_PER_MS, NS_PER_S};

/// Times between two changes: seldom many, for they cost most of the time of the tests.
const CHANGES_NS: [u64; 6] = [
    3 * NS_PER_MS,
    30 * NS_PER_MS,
    50 * NS_PER_MS,
    100 * NS_PER_MS,
    300 * NS_PER_MS,
    300 * NS_PER_MS,
];

/// How a cluster is made and treated. Probabilities are in parts per million.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nodes, at least two.
    pub nodes: usize,
    /// Lost frames.
    pub loss_ppm: u32,
    /// Frames that begin a burst, in which most are lost.
    pub burst_ppm: u32,
    /// Doubled frames.
    pub duplicate_ppm: u32,
    /// Frames with a bit changed on the way; UDP's checksum finds that.
    pub corrupt_ppm: u32,
    /// Frames that are followed by rubbish: cut copies and noise.
    pub rubbish_ppm: u32,
    /// Largest delay of a frame; more than the flush time reorders.
    pub delay_ns: u64,
    /// Largest deviation of a node's clock.
    pub drift_ppm: u32,
    /// Mean time between two changes of connections.
    pub change_ns: u64,
    /// Different connections.
    pub keys: u64,
    /// Mean time between two faults (crashes, takeovers, partitions), 0 is none.
    pub fault_ns: u64,
    /// Records of a resync per second, 0 is unlimited.
    pub resync_rate: u32,
    /// Time of a scrub of the whole table, 0 is never.
    pub scrub_ns: u64,
    /// Frames that a primary can repair.
    pub backlog: usize,
}

impl Options {
    /// A good network, in which nothing happens but `keys` connections changing.
    pub fn calm(nodes: usize, keys: u64) -> Self {
        Self {
            nodes,
            loss_ppm: 0,
            burst_ppm: 0,
            duplicate_ppm: 0,
            corrupt_ppm: 0,
            rubbish_ppm: 0,
            delay_ns: 1,
            drift_ppm: 0,
            change_ns: 10 * NS_PER_MS,
            keys,
            fault_ns: 0,
            resync_rate: 0,
            scrub_ns: 0,
            backlog: 64,
        }
    }

    /// The network and the weather that a seed decides; `nodes` 0 lets it decide that too.
    pub fn of_seed(seed: u64, nodes: usize) -> Self {
        let mut rng = Rng::new(!seed);
        let rng = &mut rng;
        Self {
            nodes: match nodes {
                0 => *rng.of(&[2, 2, 2, 2, 3, 3, 3, 3, 4, 9]),
                given => given,
            },
            loss_ppm: *rng.of(&[0, 0, 1_000, 10_000, 50_000, 200_000]),
            burst_ppm: *rng.of(&[0, 0, 2_000, 20_000]),
            duplicate_ppm: *rng.of(&[0, 10_000, 100_000]),
            corrupt_ppm: *rng.of(&[0, 10_000]),
            rubbish_ppm: *rng.of(&[0, 10_000]),
            delay_ns: *rng.of(&[1, NS_PER_MS, 20 * NS_PER_MS, 150 * NS_PER_MS]),
            drift_ppm: *rng.of(&[0, 200]),
            change_ns: *rng.of(&CHANGES_NS),
            keys: *rng.of(&[3, 30, 300]),
            fault_ns: *rng.of(&[0, 2 * NS_PER_S, 6 * NS_PER_S]),
            resync_rate: *rng.of(&[0, 0, 500]),
            scrub_ns: *rng.of(&[0, 3 * NS_PER_S]),
            backlog: *rng.of(&[0, 4, 64, 64, 256]),
        }
    }
}
