// SPDX-License-Identifier: GPL-2.0

//! `ctsync wait` and `ctsync upgrade-ready`: answers for scripts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::json;

use super::{heartbeat_ms, print_json, Context};
use crate::error::{Outcome, DEGRADED, HEALTHY};
use crate::procfile::Snapshot;
use crate::verdict::{is_silent, judge, Health};

/// How often the state is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// What can be waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Goal {
    /// This node has all that the primary has.
    Synced,
    /// A failover would lose nothing: this node is in sync, or has a backup that is.
    Healthy,
    /// This node is primary.
    Primary,
    /// This node is backup.
    Backup,
}

/// Whether the goal is reached.
fn is_reached(goal: Goal, snapshot: &Snapshot, heartbeat_ms: u64) -> bool {
    match goal {
        Goal::Synced => snapshot.is_running() && snapshot.is_synced(),
        Goal::Healthy => judge(snapshot, heartbeat_ms).health == Health::Healthy,
        Goal::Primary => snapshot.is_primary(),
        Goal::Backup => !snapshot.is_primary(),
    }
}

/// Waits, at most `timeout` seconds.
pub fn run(context: &Context, goal: Goal, timeout: Option<f64>) -> Outcome {
    let seconds = timeout.map(Duration::try_from_secs_f64).transpose();
    let limit = seconds
        .map_err(|_| crate::error::Error::new("the timeout is a number of seconds, 0 or more"))?;
    let start = Instant::now();
    loop {
        let snapshot = context.system.snapshot()?;
        let heartbeat_ms = heartbeat_ms(&context.system);
        if is_reached(goal, &snapshot, heartbeat_ms) {
            return Ok(HEALTHY);
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            let reasons = judge(&snapshot, heartbeat_ms).reasons;
            eprintln!(
                "ctsync: still not so after {} s: {}",
                start.elapsed().as_secs(),
                reasons.join("; ")
            );
            return Ok(DEGRADED);
        }
        sleep(PERIOD);
    }
}

/// Why this node may be taken away now, or why not.
fn readiness(snapshot: &Snapshot, heartbeat_ms: u64) -> Result<String, String> {
    let mut heard = snapshot
        .peers
        .iter()
        .filter(|peer| !is_silent(peer, heartbeat_ms));
    if !snapshot.is_primary() {
        return match heard.find(|peer| peer.is_primary()) {
            Some(primary) => Ok(format!("{} is primary", primary.name())),
            None => Err("no other node is primary".to_owned()),
        };
    }
    match heard.find(|peer| !peer.is_primary() && peer.is_synced()) {
        Some(backup) => Ok(format!("the backup {} is in sync", backup.name())),
        None => Err("this node is primary, and no backup is in sync".to_owned()),
    }
}

/// Says whether this node may be rebooted.
pub fn upgrade_ready(context: &Context) -> Outcome {
    let answer = readiness(&context.system.snapshot()?, heartbeat_ms(&context.system));
    let (word, reason) = match &answer {
        Ok(reason) => ("yes", reason),
        Err(reason) => ("no", reason),
    };
    match context.json {
        true => print_json(&json!({"ready": answer.is_ok(), "reason": reason})),
        false => println!("{word}: {reason}"),
    }
    Ok(if answer.is_ok() { HEALTHY } else { DEGRADED })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::set::tests::Folder;
    use crate::procfile::tests::{BACKUP, PRIMARY};

    fn parse(text: &str) -> Snapshot {
        Snapshot::parse(text).unwrap()
    }

    #[test]
    fn goals_are_told_apart() {
        use Goal::*;
        let lonely = parse("role primary\nrunning 1\nsynced 1\n");
        let reached = |snapshot: &Snapshot| {
            [Synced, Healthy, Primary, Backup].map(|goal| is_reached(goal, snapshot, 1000))
        };
        assert_eq!(reached(&parse(BACKUP)), [true, true, false, true]);
        assert_eq!(reached(&lonely), [true, false, true, false]);
    }

    #[test]
    fn a_node_is_needed_when_no_other_can_take_over() {
        let ready = |text: &str| readiness(&parse(text), 1000).is_ok();
        assert!(ready(BACKUP) && ready(PRIMARY));
        assert!(!ready(&BACKUP.replace("role=primary", "role=backup")));
        assert!(!ready(
            &PRIMARY.replace("epoch=7 synced=1", "epoch=7 synced=0")
        ));
        assert!(!ready(&PRIMARY.replace("heard_ms=120", "heard_ms=12000")));
    }

    #[test]
    fn the_wait_ends() {
        let folder = Folder::new("wait", BACKUP, &[("heartbeat_ms", "1000")]);
        let context = folder.context();
        assert_eq!(run(&context, Goal::Primary, Some(0.0)), Ok(DEGRADED));
        assert_eq!(run(&context, Goal::Synced, Some(0.0)), Ok(HEALTHY));
        assert!(run(&context, Goal::Synced, Some(-1.0)).is_err());
    }
}
