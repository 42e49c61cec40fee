// SPDX-License-Identifier: GPL-2.0

//! `ctsync events`: a line for each change of role, sync and peers, as it happens.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{json, Value};

use super::{heartbeat_ms, Context};
use crate::error::{Outcome, HEALTHY};
use crate::procfile::{Peer, Snapshot};
use crate::verdict::is_silent;

/// How often the state is looked at.
const PERIOD: Duration = Duration::from_millis(100);
/// Lines of the node of which a change is an event.
const WATCHED: [&str; 5] = ["role", "running", "synced", "epoch", "split_brain_seen"];
/// Pairs of a peer of which a change is an event.
const WATCHED_OF_PEERS: [&str; 3] = ["role", "synced", "version"];

/// A change.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    /// The address of the peer that changed, `None` for this node.
    peer: Option<String>,
    /// What changed.
    name: &'static str,
    /// What it is now.
    value: String,
}

/// What changed between two moments; everything if there is no earlier one.
fn changes(before: Option<&Snapshot>, now: &Snapshot, heartbeat_ms: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for name in WATCHED {
        let (old, new) = (before.and_then(|before| before.text(name)), now.text(name));
        if let Some(new) = new.filter(|_| old != new) {
            events.push(Event {
                peer: None,
                name,
                value: new.to_owned(),
            });
        }
    }
    for peer in &now.peers {
        let same = |other: &&Peer| other.text("node_id") == peer.text("node_id");
        let before = before.and_then(|before| before.peers.iter().find(same));
        events.extend(changes_of_peer(before, peer, heartbeat_ms));
    }
    events.extend(before.into_iter().flat_map(|before| gone(before, now)));
    events
}

/// What changed of a peer.
fn changes_of_peer(before: Option<&Peer>, now: &Peer, heartbeat_ms: u64) -> Vec<Event> {
    let event = |name, value: &str| Event {
        peer: Some(now.name().to_owned()),
        name,
        value: value.to_owned(),
    };
    let mut events = Vec::new();
    let heard = |peer: &Peer| {
        if is_silent(peer, heartbeat_ms) {
            "0"
        } else {
            "1"
        }
    };
    if before.map(heard) != Some(heard(now)) {
        events.push(event("heard", heard(now)));
    }
    for name in WATCHED_OF_PEERS {
        let (old, new) = (before.and_then(|before| before.text(name)), now.text(name));
        if let Some(new) = new.filter(|_| old != new) {
            events.push(event(name, new));
        }
    }
    events
}

/// The peers that are not there any more.
fn gone<'a>(before: &'a Snapshot, now: &'a Snapshot) -> impl Iterator<Item = Event> + 'a {
    let is_there = |peer: &&Peer| {
        now.peers
            .iter()
            .any(|other| other.text("node_id") == peer.text("node_id"))
    };
    let missing = before.peers.iter().filter(move |peer| !is_there(peer));
    missing.map(|peer| Event {
        peer: Some(peer.name().to_owned()),
        name: "heard",
        value: "0".to_owned(),
    })
}

impl Event {
    /// Its line.
    fn line(&self, time: f64, json: bool) -> String {
        if json {
            let value = self
                .value
                .parse::<u64>()
                .map_or_else(|_| json!(self.value), Value::from);
            return json!({"time": time, "peer": self.peer, "event": self.name, "value": value})
                .to_string();
        }
        let peer = self
            .peer
            .as_ref()
            .map(|peer| format!("peer={peer} "))
            .unwrap_or_default();
        format!("{time:.3} {peer}{}={}", self.name, self.value)
    }
}

/// Writes the present state, then each change, until it is ended or the reader is gone; with `once`
/// only the present state.
pub fn run(context: &Context, once: bool) -> Outcome {
    let mut before = None;
    let mut output = io::stdout().lock();
    loop {
        let now = context.system.snapshot()?;
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        for event in changes(before.as_ref(), &now, heartbeat_ms(&context.system)) {
            if writeln!(output, "{}", event.line(time, context.json)).is_err() {
                return Ok(HEALTHY);
            }
        }
        if output.flush().is_err() || once {
            return Ok(HEALTHY);
        }
        before = Some(now);
        sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfile::tests::PRIMARY;

    fn lines(before: Option<&str>, now: &str) -> Vec<String> {
        let before = before.map(|text| Snapshot::parse(text).unwrap());
        let events = changes(before.as_ref(), &Snapshot::parse(now).unwrap(), 1000);
        events.iter().map(|event| event.line(1.5, false)).collect()
    }

    #[test]
    fn the_present_state_comes_first() {
        let lines = lines(None, PRIMARY);
        assert_eq!(lines[..2], ["1.500 role=primary", "1.500 running=1"]);
        assert!(
            lines.contains(&"1.500 peer=10.9.0.2 heard=1".to_owned()),
            "{lines:?}"
        );
    }

    #[test]
    fn only_changes_follow() {
        assert!(lines(Some(PRIMARY), PRIMARY).is_empty());
        let silent = PRIMARY.replace("heard_ms=120", "heard_ms=4000");
        assert_eq!(
            lines(Some(PRIMARY), &silent),
            ["1.500 peer=10.9.0.2 heard=0"]
        );
        let unsynced = PRIMARY.replace("epoch=7 synced=1", "epoch=7 synced=0");
        assert_eq!(
            lines(Some(PRIMARY), &unsynced),
            ["1.500 peer=10.9.0.2 synced=0"]
        );
        let peer = PRIMARY
            .lines()
            .find(|line| line.starts_with("peer"))
            .unwrap();
        assert_eq!(
            lines(Some(PRIMARY), &PRIMARY.replace(peer, "")),
            ["1.500 peer=10.9.0.2 heard=0"]
        );
        let demoted = PRIMARY.replace("role primary", "role backup");
        assert_eq!(lines(Some(PRIMARY), &demoted), ["1.500 role=backup"]);
    }

    #[test]
    fn json_says_the_same() {
        let event = Event {
            peer: None,
            name: "epoch",
            value: "8".to_owned(),
        };
        assert_eq!(
            event.line(1.5, true),
            r#"{"event":"epoch","peer":null,"time":1.5,"value":8}"#
        );
    }
}
