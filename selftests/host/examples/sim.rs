// SPDX-License-Identifier: GPL-2.0

//! `SEEDS=n SEED=s NODES=n cargo run --release --example sim`: runs many clusters, and says what
//! it cost. A seed that fails is named.

use ct_sync_host::sim::{run_seeds, seeds, setting, Options};
use std::process::ExitCode;
use std::time::Instant;

/// Nanoseconds in a second.
const NS: f64 = 1e9;
/// Of /proc/self/stat, on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of this process so far, in seconds; 0 where there is no /proc.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may contain anything, utime and stime are the 12th and 13th field.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_S
}

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
            println!(
                "wall clock        {wall_s:.1} s: {:.0} cluster-minutes a second",
                report.simulated_ns as f64 / NS / 60.0 / wall_s
            );
            println!(
                "processor         {:.1} s: {:.0} us a second and node",
                cpu_s(),
                cpu_s() * 1e6 / node_s
            );
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
