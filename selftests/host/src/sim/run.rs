// SPDX-License-Identifier: GPL-2.0

//! Running clusters with many seeds, and what has to hold in each.

use super::cluster::Cluster;
use super::options::Options;
use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::stats::Counter;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

/// How long connections change at a stretch.
const BUSY_NS: u64 = 8 * NS_PER_S;
/// How long they do not, so that who says it is synced has to be: whatever of a primary was heard
/// in the last three seconds was sent after the last change.
const PAUSE_NS: u64 = 3_700 * NS_PER_MS;
/// Longest that a cluster may take to be equal when everything is well again: a node has to be
/// given up (3 s), its successor to be asked (1.3 s), and a walk to end.
const SETTLE_NS: u64 = 15 * NS_PER_S;
/// How long it has to stay so.
const REST_NS: u64 = 5 * NS_PER_S;

/// What running many seeds came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Clusters.
    pub seeds: u64,
    /// Simulated time of all of them, in nanoseconds.
    pub simulated_ns: u64,
    /// Nodes times simulated time, in nanoseconds.
    pub node_ns: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Longest time from the end of all trouble to equal tables, in nanoseconds.
    pub settled_ns: u64,
}

impl Report {
    /// Adds another.
    fn add(&mut self, other: &Report) {
        self.seeds += other.seeds;
        self.simulated_ns += other.simulated_ns;
        self.node_ns += other.node_ns;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.settled_ns = self.settled_ns.max(other.settled_ns);
    }
}

/// Lets a cluster go through all that its options have in store, and come to rest.
///
/// # Errors
///
/// What did not hold. Invariants that are asserted on the way panic.
pub fn run_cluster(seed: u64, options: Options) -> Result<Report, String> {
    let mut cluster = Cluster::new(seed, options);
    let mut simulated_ns = 0;
    for _ in 0..2 {
        cluster.set_changing(true);
        cluster.run(BUSY_NS);
        cluster.set_changing(false);
        cluster.run(PAUSE_NS);
        cluster.false_sync().map_or(Ok(()), Err)?;
        simulated_ns += BUSY_NS + PAUSE_NS;
    }
    cluster.settle();
    let settled_ns = rest(&mut cluster)?;
    simulated_ns += settled_ns + REST_NS;
    let (frames, bytes) = cluster.traffic();
    Ok(Report {
        seeds: 1,
        simulated_ns,
        node_ns: simulated_ns * cluster.nodes() as u64,
        frames,
        bytes,
        settled_ns,
    })
}

/// Waits until all tables are equal and all nodes synced; they have to stay so, without effort.
/// Returns how long it took.
fn rest(cluster: &mut Cluster) -> Result<u64, String> {
    const STEP_NS: u64 = NS_PER_S / 4;
    let mut took = 0;
    while let Some(difference) = cluster.difference() {
        if took >= SETTLE_NS {
            return Err(format!("after {} s: {difference}", took / NS_PER_S));
        }
        cluster.run(STEP_NS);
        took += STEP_NS;
    }
    let effort = [
        Counter::NacksSent,
        Counter::ResyncsRequested,
        Counter::ScrubCorrections,
    ];
    // What was on its way, and suspicions, come to an end first.
    cluster.run(4 * NS_PER_S);
    let before = effort.map(|counter| cluster.count(counter));
    cluster.run(REST_NS);
    if let Some(difference) = cluster.difference() {
        return Err(format!("it does not last: {difference}"));
    }
    if before != effort.map(|counter| cluster.count(counter)) {
        return Err("there is no rest".into());
    }
    Ok(took)
}

/// Runs many seeds, on all processors.
///
/// # Errors
///
/// The first seed that failed, and why.
pub fn run_seeds(
    seeds: std::ops::Range<u64>,
    options: impl Fn(u64) -> Options + Sync,
) -> Result<Report, String> {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Ok(Report::default()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let outcome = run_seed(seed, options(seed));
        let Ok(mut total) = total.lock() else { return };
        match (&mut *total, outcome) {
            (Ok(sum), Ok(report)) => sum.add(&report),
            (Err(_), _) => return,
            (_, Err(why)) => {
                *total = Err(format!(
                    "seed {seed} failed; run it again with SEED={seed}: {why}"
                ));
                return;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    total
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner())
}

/// Runs one seed; a panic is an error too.
fn run_seed(seed: u64, options: Options) -> Result<Report, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run_cluster(seed, options)));
    outcome.unwrap_or_else(|_| Err("an invariant was violated, see above".into()))
}

/// The seeds that the environment asks for: `SEED` only that one, `SEEDS` so many, else `default`.
pub fn seeds(default: u64) -> std::ops::Range<u64> {
    match setting("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("SEEDS").unwrap_or(default),
    }
}

/// The value of an environment variable.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
