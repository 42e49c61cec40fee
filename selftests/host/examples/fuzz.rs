// SPDX-License-Identifier: GPL-2.0

//! `SECONDS=n FROM=m cargo run --release --example fuzz`: fuzzes for so long, on all processors,
//! beginning with run m. `RUN=m` repeats one run. A run that fails is named.

use ct_sync_host::fuzz::run;
use ct_sync_host::sim::setting;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Run that failed, if one did.
const NONE: u64 = u64::MAX;

fn main() -> ExitCode {
    if let Some(number) = setting("RUN") {
        run(number);
        println!("run {number} passed");
        return ExitCode::SUCCESS;
    }
    let from = setting("FROM").unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(setting("SECONDS").unwrap_or(60));
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(NONE));
    let work = || {
        while Instant::now() < end && failed.load(Ordering::Relaxed) == NONE {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if catch_unwind(|| run(number)).is_err() {
                failed.fetch_min(number, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let runs = next.into_inner() - from;
    match failed.into_inner() {
        NONE => {
            println!("{runs} runs, none failed; go on with FROM={}", from + runs);
            ExitCode::SUCCESS
        }
        number => {
            eprintln!("run {number} failed, see above; repeat it with RUN={number}");
            ExitCode::FAILURE
        }
    }
}
