// SPDX-License-Identifier: GPL-2.0

//! `SEEDS=n SEED=s NODES=n cargo run --release --example sim`: runs many clusters, and says what
//! it cost. A seed that fails is named.

use ct_sync_host::sim::{run_seeds, seeds, setting, Options};
use std::process::ExitCode;
use std::time::Instant;

/// Nanoseconds in a second.
const NS: f64 = 1e9;

fn main() -> ExitCode {
    let nodes = setting("NODES").unwrap_or(0) as usize;
    let start = Instant::now();
    match run_seeds(seeds(1000), |seed| Options::of_seed(seed, nodes)) {
        Ok(report) => {
            let wall_s = start.elapsed().as_secs_f64();
            let node_s = report.node_ns as f64 / NS;
            println!("clusters          {}", report.seeds);
            println!(
                "cluster-minutes   {:.0}",
                report.simulated_ns as f64 / NS / 60.0
            );
            println!("wall clock        {wall_s:.1} s");
            println!(
                "frames            {:.1} a second and node",
                report.frames as f64 / node_s
            );
            println!(
                "bytes             {:.0} a second and node",
                report.bytes as f64 / node_s
            );
            println!("slowest to heal   {:.2} s", report.settled_ns as f64 / NS);
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
