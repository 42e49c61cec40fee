// SPDX-License-Identifier: GPL-2.0

//! Whole clusters through everything that can happen to them, many times.
//!
//! `SEEDS=n` runs more seeds, `SEED=s` only one. A failure names its seed.

#![cfg(not(loom))]

use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::sim::{Cluster, Options, Rng};
use ct_sync_host::stats::Counter;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Longest that a cluster may take to be equal when everything is well again: a node has to be
/// given up (3 s), its successor to be asked (1.3 s), and a walk to end.
const SETTLE_S: u64 = 15;

/// The value of an environment variable.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `body` with each seed, and names the one that fails.
fn each_seed(seeds: u64, body: impl Fn(u64)) {
    let seeds = match setting("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(seed)));
        assert!(
            outcome.is_ok(),
            "seed {seed} failed; run it again with SEED={seed}"
        );
    }
}

/// A kind of network and of weather that the seed decides.
fn options(seed: u64) -> Options {
    let mut rng = Rng::new(!seed);
    Options {
        nodes: 2 + rng.below(3) as usize,
        loss_ppm: [0, 1_000, 10_000, 50_000, 200_000][rng.below(5) as usize],
        duplicate_ppm: [0, 10_000][rng.below(2) as usize],
        delay_ns: [1, NS_PER_MS, 20 * NS_PER_MS][rng.below(3) as usize],
        change_ns: [NS_PER_MS, 10 * NS_PER_MS][rng.below(2) as usize],
        keys: [5, 100, 1000][rng.below(3) as usize],
        fault_ns: [0, 2 * NS_PER_S, 6 * NS_PER_S][rng.below(3) as usize],
        resync_rate: [0, 0, 500][rng.below(3) as usize],
        scrub_ns: [0, 5 * NS_PER_S][rng.below(2) as usize],
    }
}

/// Lets a cluster come to rest; all tables have to be equal then, and stay so.
fn check_rest(cluster: &mut Cluster) {
    cluster.settle();
    let equal = (0..SETTLE_S * 2).any(|_| {
        cluster.run(NS_PER_S / 2);
        cluster.difference().is_none()
    });
    assert!(equal, "after {SETTLE_S} s: {:?}", cluster.difference());
    cluster.run(5 * NS_PER_S);
    assert_eq!(cluster.difference(), None, "it does not last");
}

#[test]
fn every_cluster_comes_to_rest_with_equal_tables() {
    each_seed(300, |seed| {
        let mut cluster = Cluster::new(seed, options(seed));
        cluster.run(20 * NS_PER_S);
        check_rest(&mut cluster);
    });
}

#[test]
fn a_good_network_needs_one_resync_and_loses_nothing() {
    each_seed(20, |seed| {
        let calm = Options {
            loss_ppm: 0,
            duplicate_ppm: 0,
            delay_ns: 1,
            fault_ns: 0,
            resync_rate: 0,
            scrub_ns: 0,
            ..options(seed)
        };
        let mut cluster = Cluster::new(seed, calm);
        cluster.run(10 * NS_PER_S);
        assert_eq!(cluster.count(Counter::FramesGap), 0);
        assert_eq!(cluster.count(Counter::ResyncsTainted), 0);
        assert_eq!(cluster.count(Counter::ResyncsServed), 1);
        check_rest(&mut cluster);
    });
}

#[test]
fn a_seed_determines_the_run() {
    let run = |seed| {
        let mut cluster = Cluster::new(seed, options(seed));
        cluster.run(10 * NS_PER_S);
        Counter::ALL
            .iter()
            .map(|&c| cluster.count(c))
            .collect::<Vec<_>>()
    };
    (0..10).for_each(|seed| assert_eq!(run(seed), run(seed)));
}
