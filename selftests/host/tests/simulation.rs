// SPDX-License-Identifier: GPL-2.0

//! Whole clusters through everything that can happen to them, many times.
//!
//! `SEEDS=n` runs more seeds, `SEED=s` only one, `NODES=n` larger clusters. A failure names its
//! seed.

#![cfg(not(loom))]

use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::sim::{run_seeds, seeds, setting, Cluster, Options};
use ct_sync_host::stats::Counter;

/// The options of a seed, with the number of nodes that the environment asks for.
fn options(seed: u64) -> Options {
    Options::of_seed(seed, setting("NODES").unwrap_or(0) as usize)
}

#[test]
fn every_cluster_comes_to_rest_with_equal_tables() {
    if let Err(why) = run_seeds(seeds(3000), options) {
        panic!("{why}");
    }
}

#[test]
fn a_good_network_needs_one_resync_and_loses_nothing() {
    for (seed, nodes) in [(1, 2), (2, 3), (3, 9)] {
        let mut cluster = Cluster::new(seed, Options::calm(nodes, 100));
        cluster.run(10 * NS_PER_S);
        assert_eq!(cluster.count(Counter::FramesGap), 0);
        assert_eq!(cluster.count(Counter::NacksSent), 0);
        assert_eq!(cluster.count(Counter::ResyncsTainted), 0);
        assert_eq!(cluster.count(Counter::ResyncsServed), 1);
        cluster.settle();
        cluster.run(NS_PER_S);
        assert_eq!(cluster.difference(), None);
    }
}

#[test]
fn simulated_frames_are_filled_as_those_of_the_module() {
    let mut cluster = Cluster::new(1, Options::calm(2, 300));
    cluster.run(10 * NS_PER_S);
    cluster.request_resync(1);
    let frames = |cluster: &Cluster| {
        let others =
            cluster.count(Counter::HeartbeatsSent) + cluster.count(Counter::ResyncsRequested);
        cluster.count(Counter::FramesSent) - others
    };
    let (sent, records) = (frames(&cluster), cluster.count(Counter::RecordsSent));
    cluster.set_changing(false);
    cluster.run(NS_PER_S);
    let (sent, records) = (
        frames(&cluster) - sent,
        cluster.count(Counter::RecordsSent) - records,
    );
    assert!(records > 3 * sent, "{records} records in {sent} frames");
}

#[test]
fn a_scrub_of_a_healthy_cluster_under_load_corrects_nothing() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(
            seed,
            Options {
                change_ns: NS_PER_MS,
                scrub_ns: 2 * NS_PER_S,
                loss_ppm: [0, 50_000][seed as usize % 2],
                ..Options::calm(3, 50)
            },
        );
        cluster.run(30 * NS_PER_S);
        assert!(cluster.count(Counter::ResyncsServed) > 5);
        assert_eq!(cluster.count(Counter::ScrubCorrections), 0, "{seed}");
    }
}

#[test]
fn at_5_percent_loss_repair_is_cheap_and_needs_no_resync() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(
            seed,
            Options {
                change_ns: 200_000,
                loss_ppm: 50_000,
                backlog: 1024,
                ..Options::calm(2, 5000)
            },
        );
        cluster.run(10 * NS_PER_S);
        let lost = cluster.count(Counter::RecordsSent) / 20;
        let repaired = cluster.count(Counter::RecordsRepaired);
        assert!(repaired < 3 * lost, "{repaired} for {lost}");
        assert!(
            repaired > lost / 2,
            "{repaired} for {lost}: there was no loss"
        );
        assert_eq!(cluster.count(Counter::GapsGone), 0);
        cluster.settle();
        cluster.run(NS_PER_S);
        assert_eq!(cluster.difference(), None, "a second after the load");
        assert_eq!(cluster.count(Counter::ResyncsServed), 1);
    }
}

#[test]
fn repair_dies_away_where_some_backup_loses_nearly_every_frame() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(
            seed,
            Options {
                change_ns: 30 * NS_PER_MS,
                loss_ppm: 200_000,
                backlog: 256,
                ..Options::calm(9, 30)
            },
        );
        cluster.run(10 * NS_PER_S);
        let (frames, _) = cluster.traffic();
        assert!(frames < 10_000, "{seed}: {frames} for 330 changes");
        assert_eq!(cluster.count(Counter::GapsGone), 0, "{seed}");
    }
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
