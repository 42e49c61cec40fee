// SPDX-License-Identifier: GPL-2.0

//! Whether a failover now would lose connections, judged by what this node knows.
//!
//! Counters do not enter into it: they remember faults of last month.

use crate::error::{DEGRADED, DOWN, HEALTHY};
use crate::procfile::{Peer, Snapshot};
use crate::style::span;

/// Heartbeats that may be missing before a peer counts as silent, as in the module.
const HEARTBEATS_MISSED: u64 = 3;
/// Milliseconds that the reading of the file may add to the age of a heartbeat.
const SLACK_MS: u64 = 200;
/// Lag in milliseconds from which a backup counts as behind.
const LAG_MS: u64 = 500;
/// Parts of a hundred from which a table counts as nearly full.
const FULL_PERCENT: u64 = 80;

/// How replication is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Health {
    /// A failover would lose nothing.
    Healthy,
    /// Replication runs; a failover may lose connections, or something needs a look.
    Degraded,
    /// Nothing is replicated.
    Down,
}

impl Health {
    /// The exit status that says so.
    pub fn status(self) -> u8 {
        match self {
            Health::Healthy => HEALTHY,
            Health::Degraded => DEGRADED,
            Health::Down => DOWN,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Degraded => "degraded",
            Health::Down => "down",
        }
    }
}

/// The judgment, and the sentences that give its reasons, the gravest first.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How replication is.
    pub health: Health,
    /// What is wrong; empty when all is well.
    pub reasons: Vec<String>,
}

/// Whether nothing is heard of a peer, where nodes speak every `heartbeat_ms`.
pub fn is_silent(peer: &Peer, heartbeat_ms: u64) -> bool {
    peer.heard_ms() > HEARTBEATS_MISSED * heartbeat_ms + SLACK_MS
}

/// Judges what the module tells.
pub fn judge(snapshot: &Snapshot, heartbeat_ms: u64) -> Verdict {
    if !snapshot.is_running() {
        let reason = "replication does not run: syncdev is not set, or that interface is not \
            there or not up";
        return Verdict {
            health: Health::Down,
            reasons: vec![reason.to_owned()],
        };
    }
    let mut reasons = match snapshot.is_primary() {
        true => reasons_of_primary(snapshot, heartbeat_ms),
        false => reasons_of_backup(snapshot, heartbeat_ms),
    };
    reasons.extend(silent_peers(snapshot, heartbeat_ms));
    reasons.extend(full_tables(snapshot));
    let health = if reasons.is_empty() {
        Health::Healthy
    } else {
        Health::Degraded
    };
    Verdict { health, reasons }
}

/// What is wrong with a primary and its backups.
fn reasons_of_primary(snapshot: &Snapshot, heartbeat_ms: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut heard = snapshot
        .peers
        .iter()
        .filter(|peer| !is_silent(peer, heartbeat_ms));
    for peer in heard.clone().filter(|peer| peer.is_primary()) {
        reasons.push(format!("split brain: {} is primary too", peer.name()));
    }
    if !heard.any(|peer| !peer.is_primary() && peer.is_synced()) {
        reasons.push("no backup is in sync: a failover now loses connections".to_owned());
    }
    for peer in snapshot
        .peers
        .iter()
        .filter(|peer| !is_silent(peer, heartbeat_ms) && !peer.is_primary())
    {
        if !peer.is_synced() {
            reasons.push(format!("{} is not in sync", peer.name()));
        }
        if let Some(lag) = peer.number("lag_ms").filter(|&lag| lag > LAG_MS) {
            reasons.push(format!("{} is {} behind", peer.name(), span(lag)));
        }
    }
    reasons
}

/// What is wrong with a backup.
fn reasons_of_backup(snapshot: &Snapshot, heartbeat_ms: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut heard = snapshot
        .peers
        .iter()
        .filter(|peer| !is_silent(peer, heartbeat_ms));
    let primaries = heard.clone().filter(|peer| peer.is_primary()).count();
    match primaries {
        0 if heard.next().is_none() => reasons.push("no other node is heard".to_owned()),
        0 => reasons.push("no node is primary".to_owned()),
        1 => {}
        n => reasons.push(format!("split brain: {n} nodes are primary")),
    }
    if !snapshot.is_synced() {
        reasons.push("not in sync: a failover to this node now loses connections".to_owned());
    }
    reasons
}

/// The peers that have fallen silent.
fn silent_peers(snapshot: &Snapshot, heartbeat_ms: u64) -> Vec<String> {
    let silent = snapshot
        .peers
        .iter()
        .filter(|peer| is_silent(peer, heartbeat_ms));
    let sentence = |peer: &Peer| {
        format!(
            "{} was last heard {} ago",
            peer.name(),
            span(peer.heard_ms())
        )
    };
    silent.map(sentence).collect()
}

/// The tables that are nearly full, and limits that differ.
fn full_tables(snapshot: &Snapshot) -> Vec<String> {
    let here = (
        "this node",
        snapshot.number("table_count"),
        snapshot.number("table_max"),
    );
    let peers = snapshot.peers.iter();
    let peers = peers.map(|peer| {
        (
            peer.name(),
            peer.number("table_count"),
            peer.number("table_max"),
        )
    });
    let mut reasons = Vec::new();
    for (name, count, max) in [here].into_iter().chain(peers) {
        let (Some(count), Some(max)) = (count, max) else {
            continue;
        };
        if max != 0 && count >= max / 100 * FULL_PERCENT && count * 100 >= max * FULL_PERCENT {
            reasons.push(format!(
                "the table of {name} is {} % full",
                count * 100 / max
            ));
        }
        if here.2.is_some_and(|own| max != 0 && max < own) {
            reasons.push(format!(
                "the table of {name} takes only {max} connections, that of this node more"
            ));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfile::tests::{BACKUP, PRIMARY};

    /// Judges `text` with one thing in it changed.
    fn judged(text: &str, old: &str, new: &str) -> Verdict {
        assert!(text.contains(old), "{old}");
        judge(&Snapshot::parse(&text.replace(old, new)).unwrap(), 1000)
    }

    /// The only reason after a change.
    fn reason(text: &str, old: &str, new: &str) -> String {
        let verdict = judged(text, old, new);
        assert_eq!(verdict.health, Health::Degraded);
        verdict.reasons.first().unwrap().clone()
    }

    #[test]
    fn a_pair_that_is_in_sync_is_healthy() {
        for text in [BACKUP, PRIMARY] {
            assert_eq!(
                judged(text, "", ""),
                Verdict {
                    health: Health::Healthy,
                    reasons: vec![]
                }
            );
        }
    }

    #[test]
    fn what_does_not_run_is_down() {
        let verdict = judged(BACKUP, "running 1", "running 0");
        assert_eq!(verdict.health, Health::Down);
        assert_eq!(
            judge(&Snapshot::parse("role backup\n").unwrap(), 1000).health,
            Health::Down
        );
    }

    #[test]
    fn each_fault_is_named() {
        let cases = [
            (BACKUP, "\nsynced 1", "\nsynced 0", "not in sync"),
            (
                BACKUP,
                "heard_ms=412",
                "heard_ms=3300",
                "no other node is heard",
            ),
            (BACKUP, "role=primary", "role=backup", "no node is primary"),
            (
                PRIMARY,
                "role=backup",
                "role=primary",
                "split brain: 10.9.0.2",
            ),
            (
                PRIMARY,
                "epoch=7 synced=1",
                "epoch=7 synced=0",
                "no backup is in sync",
            ),
            (
                PRIMARY,
                "heard_ms=120",
                "heard_ms=9000",
                "no backup is in sync",
            ),
            (
                PRIMARY,
                "lag_ms=1",
                "lag_ms=501",
                "10.9.0.2 is 501 ms behind",
            ),
            (
                PRIMARY,
                "table_count 41231",
                "table_count 209716",
                "the table of this node is 80 % full",
            ),
            (
                PRIMARY,
                "table_count=41230 table_max=262144",
                "table_count=1 table_max=65536",
                "the table of 10.9.0.2 takes",
            ),
        ];
        for (text, old, new, expected) in cases {
            let reason = reason(text, old, new);
            assert!(reason.starts_with(expected), "{reason}");
        }
    }

    #[test]
    fn limits_are_not_faults_yet() {
        for (text, old, new) in [
            (BACKUP, "heard_ms=412", "heard_ms=3200"),
            (PRIMARY, "lag_ms=1", "lag_ms=500"),
            (PRIMARY, "table_count 41231", "table_count 209715"),
        ] {
            assert_eq!(judged(text, old, new).health, Health::Healthy, "{new}");
        }
    }

    #[test]
    fn a_primary_alone_is_degraded() {
        let peer = PRIMARY
            .lines()
            .find(|line| line.starts_with("peer"))
            .unwrap();
        assert_eq!(
            judged(PRIMARY, peer, "").reasons,
            ["no backup is in sync: a failover now loses connections"]
        );
    }
}
