// SPDX-License-Identifier: GPL-2.0

//! `ctsync status`: the verdict, the nodes, and the counters that should be 0 and are not.

use ct_sync_module::stats::Counter;
use serde_json::{json, Value};

use super::{heartbeat_ms, print_json, Context};
use crate::error::{Error, Outcome, DOWN};
use crate::faults::{faults, remedy};
use crate::procfile::{Peer, Snapshot};
use crate::style::{grouped, span, Style};
use crate::verdict::{is_silent, judge, Health, Verdict};

/// Runs the command.
pub fn run(context: &Context, brief: bool) -> Outcome {
    let snapshot = match context.system.snapshot() {
        Err(error) if error.status == DOWN && context.json => return Ok(not_loaded(&error)),
        snapshot => snapshot?,
    };
    let heartbeat_ms = heartbeat_ms(&context.system);
    let verdict = judge(&snapshot, heartbeat_ms);
    if context.json {
        print_json(&to_json(&snapshot, &verdict));
    } else if brief {
        println!("{}", headline(&snapshot, &verdict, context.style));
    } else {
        print!("{}", text(&snapshot, &verdict, heartbeat_ms, context.style));
    }
    Ok(verdict.health.status())
}

/// Says in JSON that there is no module.
fn not_loaded(error: &Error) -> u8 {
    print_json(&json!({"health": Health::Down.word(), "reasons": [error.message]}));
    error.status
}

/// All that is known, for programs.
pub fn to_json(snapshot: &Snapshot, verdict: &Verdict) -> Value {
    let mut all = snapshot.to_json();
    all.insert("health".to_owned(), json!(verdict.health.word()));
    all.insert("reasons".to_owned(), json!(verdict.reasons));
    let faults = faults(|counter| snapshot.counter(counter)).into_iter().map(|(counter, value)| {
        json!({"counter": counter.name(), "value": value, "meaning": counter.meaning(), "remedy": remedy(counter)})
    });
    all.insert("faults".to_owned(), faults.collect());
    Value::Object(all)
}

/// The first line.
pub fn headline(snapshot: &Snapshot, verdict: &Verdict, style: Style) -> String {
    let role = snapshot.text("role").unwrap_or("?");
    let state = match verdict.health {
        Health::Healthy => format!("in sync with {}", partners(snapshot)),
        Health::Degraded => style.warning(&format!("DEGRADED: {}", verdict.reasons.join("; "))),
        Health::Down => style.bad(&format!("DOWN: {}", verdict.reasons.join("; "))),
    };
    let mut line = format!("{}, {state}", style.strong(role));
    if let Some(epoch) = snapshot.number("epoch") {
        line += &format!(", epoch {epoch}");
    }
    if let (Some(count), Some(max)) = (snapshot.number("table_count"), snapshot.number("table_max"))
    {
        line += &format!(", {} of {} connections", grouped(count), grouped(max));
    }
    line
}

/// Whom a healthy node is in sync with.
fn partners(snapshot: &Snapshot) -> String {
    if !snapshot.is_primary() {
        return snapshot.primary().map_or("?", Peer::name).to_owned();
    }
    let synced = snapshot.peers.iter().filter(|peer| peer.is_synced());
    synced.map(Peer::name).collect::<Vec<_>>().join(", ")
}

/// The whole of it, for people.
pub fn text(snapshot: &Snapshot, verdict: &Verdict, heartbeat_ms: u64, style: Style) -> String {
    let mut text = headline(snapshot, verdict, style) + "\n";
    for (name, label) in [("role_since_ms", "role"), ("synced_since_ms", "in sync")] {
        if let Some(ms) = snapshot.number(name) {
            text += &format!("  {label} for {}\n", span(ms));
        }
    }
    for peer in &snapshot.peers {
        text += &peer_line(peer, snapshot.is_primary(), heartbeat_ms, style);
    }
    let faults = faults(|counter| snapshot.counter(counter));
    for &(counter, value) in &faults {
        text += &fault_lines(counter, value, style);
    }
    text
}

/// The line of a peer.
fn peer_line(peer: &Peer, lags: bool, heartbeat_ms: u64, style: Style) -> String {
    let mut line = format!(
        "  peer {}  {}",
        peer.name(),
        peer.text("role").unwrap_or("?")
    );
    line += "  ";
    line += &match peer.is_synced() {
        true => "in sync".to_owned(),
        false => style.warning("not in sync"),
    };
    let heard = format!("heard {} ago", span(peer.heard_ms()));
    line += "  ";
    line += &if is_silent(peer, heartbeat_ms) {
        style.bad(&heard)
    } else {
        heard
    };
    if let Some(lag) = peer.number("lag_ms").filter(|_| lags && !peer.is_primary()) {
        line += &format!("  {} behind", span(lag));
    }
    if let (Some(count), Some(max)) = (peer.number("table_count"), peer.number("table_max")) {
        line += &format!("  {} of {}", grouped(count), grouped(max));
    }
    line + "\n"
}

/// The lines of a counter that should be 0.
fn fault_lines(counter: Counter, value: u64, style: Style) -> String {
    let name = style.warning(&format!("{} {value}", counter.name()));
    let remedy = remedy(counter).unwrap_or_default();
    format!("  {name}  {}\n      {remedy}\n", counter.meaning())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfile::tests::{BACKUP, PRIMARY};

    fn shown(file: &str) -> String {
        let snapshot = Snapshot::parse(file).unwrap();
        text(&snapshot, &judge(&snapshot, 1000), 1000, Style::PLAIN)
    }

    #[test]
    fn the_verdict_comes_first() {
        let text = shown(PRIMARY);
        assert_eq!(
            text,
            "primary, in sync with 10.9.0.2, epoch 7, 41 231 of 262 144 connections\n  \
             peer 10.9.0.2  backup  in sync  heard 120 ms ago  1 ms behind  41 230 of 262 144\n"
        );
    }

    #[test]
    fn only_counters_that_should_be_zero_are_shown() {
        let text = shown(BACKUP);
        assert!(
            text.contains("frames_lost 12  sequence numbers missing in those gaps\n"),
            "{text}"
        );
        assert!(
            !text.contains("entries_inserted") && !text.contains("frames_made_good"),
            "{text}"
        );
    }

    #[test]
    fn a_fault_is_in_the_first_line() {
        let text = shown(&BACKUP.replace("\nsynced 1", "\nsynced 0"));
        assert!(text.starts_with("backup, DEGRADED: not in sync"), "{text}");
        let text = shown("role backup\nrunning 0\n");
        assert!(
            text.starts_with("backup, DOWN: replication does not run"),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_verdict_and_everything_else() {
        let snapshot = Snapshot::parse(BACKUP).unwrap();
        let json = to_json(&snapshot, &judge(&snapshot, 1000));
        assert_eq!(json["health"], "healthy");
        assert_eq!(json["entries_inserted"], 41230);
        assert_eq!(json["peers"][0]["address"], "10.9.0.1");
        assert_eq!(json["faults"][0]["counter"], "frames_gap");
    }
}
