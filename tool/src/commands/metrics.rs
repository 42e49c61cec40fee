// SPDX-License-Identifier: GPL-2.0

//! `ctsync metrics`: what Prometheus reads. Counters come from the module's own table.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use ct_sync_module::stats::Counter;

use crate::error::{Error, Outcome, DOWN, HEALTHY};
use crate::procfile::{Peer, Snapshot};
use crate::system::System;

/// Most bytes of a request that are read.
const REQUEST_MAX: u64 = 8192;

/// Gauges of the node: metric, line of the file, help.
const GAUGES: [(&str, &str, &str); 6] = [
    ("running", "running", "Whether replication runs."),
    (
        "synced",
        "synced",
        "Whether this node has all that the primary has.",
    ),
    (
        "epoch",
        "epoch",
        "Epoch that counts; it rises with each promotion.",
    ),
    (
        "sequence",
        "seq",
        "Last frame sent (primary) or taken (backup).",
    ),
    (
        "table_entries",
        "table_count",
        "Entries in the conntrack table.",
    ),
    ("table_limit", "table_max", "Limit of the conntrack table."),
];

/// Gauges of a peer: metric, pair of the line, divisor, help.
const PEER_GAUGES: [(&str, &str, u32, &str); 7] = [
    (
        "synced",
        "synced",
        1,
        "Whether the peer has all that its primary has.",
    ),
    (
        "heard_age_seconds",
        "heard_ms",
        1000,
        "Time since the peer was heard.",
    ),
    (
        "heard_us_age_seconds",
        "heard_us_ms",
        1000,
        "Time since the peer heard this node.",
    ),
    (
        "lag_seconds",
        "lag_ms",
        1000,
        "How long the peer has been behind this primary.",
    ),
    (
        "lag_frames",
        "lag_frames",
        1,
        "Frames that the peer is behind this primary.",
    ),
    (
        "table_entries",
        "table_count",
        1,
        "Entries in the peer's conntrack table.",
    ),
    (
        "table_limit",
        "table_max",
        1,
        "Limit of the peer's conntrack table.",
    ),
];

/// Runs the command.
pub fn run(system: &System, output: Option<&Path>, http: bool) -> Outcome {
    let text = match system.snapshot() {
        Ok(snapshot) => text(&snapshot),
        Err(error) if error.status == DOWN => absent(),
        Err(error) => return Err(error),
    };
    let written = match output {
        Some(path) => return replace(path, &text),
        None if http => answer(&mut io::stdin().lock(), &mut io::stdout().lock(), &text),
        None => io::stdout().lock().write_all(text.as_bytes()),
    };
    // A reader that goes away early is its own affair.
    let _ = written;
    Ok(HEALTHY)
}

/// The head of a metric.
fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = write!(
        text,
        "# HELP ct_sync_{name} {help}\n# TYPE ct_sync_{name} {kind}\n"
    );
}

/// What is said when the module is not loaded.
fn absent() -> String {
    let mut text = String::new();
    head(&mut text, "up", "gauge", "Whether the module is loaded.");
    text + "ct_sync_up 0\n"
}

/// A label's value with what would end it escaped.
fn label(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// All metrics.
fn text(snapshot: &Snapshot) -> String {
    let mut text = absent().replace("ct_sync_up 0", "ct_sync_up 1");
    head(
        &mut text,
        "info",
        "gauge",
        "Versions of the module and of the protocol.",
    );
    let field = |name| label(snapshot.text(name).unwrap_or_default());
    let _ = writeln!(
        text,
        "ct_sync_info{{version=\"{}\",protocol=\"{}\"}} 1",
        field("version"),
        field("protocol")
    );
    head(&mut text, "role", "gauge", "Role of this node.");
    for role in ["primary", "backup"] {
        let is = u8::from(snapshot.text("role") == Some(role));
        let _ = writeln!(text, "ct_sync_role{{role=\"{role}\"}} {is}");
    }
    for (metric, name, help) in GAUGES {
        // While nothing runs there is no table to tell of, but not being in sync is worth telling.
        let value = snapshot.number(name).or((name == "synced").then_some(0));
        if let Some(value) = value {
            head(&mut text, metric, "gauge", help);
            let _ = writeln!(text, "ct_sync_{metric} {value}");
        }
    }
    peers(&mut text, &snapshot.peers);
    counters(&mut text, snapshot);
    text
}

/// The metrics of the peers; a metric's lines must follow each other.
fn peers(text: &mut String, peers: &[Peer]) {
    if peers.is_empty() {
        return;
    }
    let id = |peer: &Peer| label(peer.text("node_id").unwrap_or("?"));
    head(text, "peer_info", "gauge", "Address and version of a peer.");
    for peer in peers {
        let field = |name| label(peer.text(name).unwrap_or_default());
        let (id, address, version) = (id(peer), field("address"), field("version"));
        let _ = writeln!(
            text,
            "ct_sync_peer_info{{peer=\"{id}\",address=\"{address}\",version=\"{version}\"}} 1"
        );
    }
    head(
        text,
        "peer_primary",
        "gauge",
        "Whether the peer is primary.",
    );
    for peer in peers {
        let _ = writeln!(
            text,
            "ct_sync_peer_primary{{peer=\"{}\"}} {}",
            id(peer),
            u8::from(peer.is_primary())
        );
    }
    for (metric, name, divisor, help) in PEER_GAUGES {
        let values = peers
            .iter()
            .filter_map(|peer| Some((id(peer), peer.number(name)?)));
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            head(text, &format!("peer_{metric}"), "gauge", help);
        }
        for (id, value) in values {
            let value = match divisor {
                1 => value.to_string(),
                _ => format!("{}.{:03}", value / 1000, value % 1000),
            };
            let _ = writeln!(text, "ct_sync_peer_{metric}{{peer=\"{id}\"}} {value}");
        }
    }
}

/// The counters.
fn counters(text: &mut String, snapshot: &Snapshot) {
    for &counter in Counter::ALL {
        let name = format!("{}_total", counter.name());
        head(text, &name, "counter", counter.meaning());
        let _ = writeln!(text, "ct_sync_{name} {}", snapshot.counter(counter));
    }
    head(
        text,
        "l2drop_frames_total",
        "counter",
        "Frames that l2drop has dropped.",
    );
    let _ = writeln!(
        text,
        "ct_sync_l2drop_frames_total {}",
        snapshot.number("l2dropped").unwrap_or(0)
    );
}

/// Replaces a file at once, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> Outcome {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Collectors of text files read *.prom only.
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        Error::new(format!("{} was not written: {error}", path.display()))
    })?;
    Ok(HEALTHY)
}

/// Reads one request and answers it.
fn answer(input: &mut dyn BufRead, output: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut request = String::new();
    let mut limited = input.take(REQUEST_MAX);
    limited.read_line(&mut request)?;
    let mut line = String::new();
    while limited.read_line(&mut line)? > 0 && !line.trim_end().is_empty() {
        line.clear();
    }
    let mut words = request.split_whitespace();
    let (status, body) = match (
        words.next(),
        words.next().map(|path| path.split('?').next()),
    ) {
        (Some("GET"), Some(Some("/metrics"))) => ("200 OK", text),
        (Some("GET"), Some(_)) => ("404 Not Found", "the metrics are at /metrics\n"),
        _ => ("400 Bad Request", "only GET is understood\n"),
    };
    let length = body.len();
    write!(
        output,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: \
            {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfile::tests::{BACKUP, PRIMARY};
    use std::collections::HashSet;

    #[test]
    fn every_counter_is_there_once_with_its_meaning() {
        let text = text(&Snapshot::parse(BACKUP).unwrap());
        for counter in Counter::ALL {
            let line = format!("\nct_sync_{}_total ", counter.name());
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
        assert!(text.contains("\nct_sync_frames_lost_total 12\n"));
        assert!(text.contains("\nct_sync_peer_heard_age_seconds{peer=\"1\"} 0.412\n"));
        assert!(text.contains("\nct_sync_role{role=\"backup\"} 1\n"));
    }

    #[test]
    fn the_text_has_the_form_that_is_asked_for() {
        let second = PRIMARY
            .lines()
            .find(|line| line.starts_with("peer"))
            .unwrap()
            .replace("node_id=2", "node_id=3");
        let text = text(&Snapshot::parse(&format!("{PRIMARY}{second}\n")).unwrap());
        let mut seen = HashSet::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                current = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(current.clone()), "{current} twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next().unwrap(), current, "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn a_module_that_is_not_there_is_told_of() {
        assert!(absent().ends_with("\nct_sync_up 0\n"));
        assert!(text(&Snapshot::parse("role backup\nrunning 0\n").unwrap())
            .contains("\nct_sync_synced 0\n"));
    }

    #[test]
    fn requests_are_answered() {
        let ask = |request: &str| {
            let mut output = Vec::new();
            answer(&mut request.as_bytes(), &mut output, "x 1\n").unwrap();
            String::from_utf8(output).unwrap()
        };
        let reply = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(
            reply.starts_with("HTTP/1.1 200 OK\r\n")
                && reply.ends_with("Content-Length: 4\r\nConnection: close\r\n\r\nx 1\n")
        );
        assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
        assert!(ask("").starts_with("HTTP/1.1 400"));
        assert!(ask(&"x".repeat(100_000)).starts_with("HTTP/1.1 400"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(replace(Path::new("/nonexistent/ct_sync.prom"), "").is_err());
    }
}
