// SPDX-License-Identifier: GPL-2.0

//! `ctsync diff`: proves that the tables of two nodes are equal, apart from the module's own scrub.
//!
//! Tables that live are never read at the same moment, so they are read several times: only what
//! differs each time is reported.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{json, Map, Value};

use super::{dump, print_json, Context};
use crate::error::{Error, Outcome, DEGRADED, HEALTHY};

/// How often living tables are read before a difference counts.
const ROUNDS: u32 = 3;
/// Time between two rounds: longer than records are on their way.
const PAUSE: Duration = Duration::from_secs(1);
/// Most differences that people are shown.
const SHOWN: usize = 50;

/// The entries of a dump by zone and original tuple.
type Table = BTreeMap<String, Map<String, Value>>;

/// What differs: the key, and what each of both has, empty where there is no entry.
type Differences = BTreeMap<String, [Map<String, Value>; 2]>;

/// Where a table comes from.
enum Source<'a> {
    /// This node.
    Here,
    /// A dump in a file, or on the standard input.
    File(&'a str),
    /// Another node.
    Host(&'a str),
}

impl<'a> Source<'a> {
    /// A word of the command line.
    fn new(word: &'a str) -> Self {
        match word == "-" || word.contains('/') || Path::new(word).exists() {
            true => Self::File(word),
            false => Self::Host(word),
        }
    }

    /// Whether it may be other the next time.
    fn is_alive(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Reads the table.
    fn read(&self, context: &Context, rsh: &str) -> Result<Table, Error> {
        match self {
            Self::Here => parse("this node", &dump::lines(&context.system)?.join("\n")),
            Self::File("-") => {
                let mut text = String::new();
                let read = io::stdin().lock().read_to_string(&mut text);
                read.map_err(|error| Error::new(format!("the standard input: {error}")))?;
                parse("the standard input", &text)
            }
            Self::File(path) => {
                let text = fs::read_to_string(path);
                parse(
                    path,
                    &text.map_err(|error| Error::new(format!("{path}: {error}")))?,
                )
            }
            Self::Host(host) => parse(host, &ask(host, rsh)?),
        }
    }
}

/// Asks another node for its dump.
fn ask(host: &str, rsh: &str) -> Result<String, Error> {
    if host.starts_with('-') {
        return Err(Error::new(format!("{host} is no name of a host")));
    }
    let mut words = rsh.split_whitespace();
    let program = words
        .next()
        .ok_or_else(|| Error::new("--rsh names no program"))?;
    let mut command = Command::new(program);
    command
        .args(words)
        .args([host, "ctsync", "dump"])
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| Error::new(format!("{program}: {error}")))?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "{rsh} {host} ctsync dump failed: {}",
            output.status
        )));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Error::new(format!("the dump of {host} is no text")))
}

/// Takes a dump apart.
fn parse(name: &str, text: &str) -> Result<Table, Error> {
    let mut table = Table::new();
    for (number, line) in text.lines().enumerate() {
        let entry = match serde_json::from_str(line) {
            Ok(Value::Object(entry)) if entry.get("orig").is_some_and(Value::is_object) => entry,
            _ => {
                return Err(Error::new(format!(
                    "line {} of {name} is no line of ctsync dump",
                    number + 1
                )))
            }
        };
        let zone = entry.get("zone").cloned().unwrap_or(json!(0));
        let key = format!("zone {zone} {}", entry.get("orig").unwrap_or(&Value::Null));
        table.insert(key, entry);
    }
    Ok(table)
}

/// Whether an entry is a node's own business.
fn is_local(entry: &Map<String, Value>) -> bool {
    entry.get("local") == Some(&json!(true))
}

/// What differs between two tables.
fn differences(one: &Table, other: &Table) -> Differences {
    let mut found = Differences::new();
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    for key in keys {
        let pair = [one, other].map(|table| table.get(key).cloned().unwrap_or_default());
        let [a, b] = &pair;
        if a != b && !is_local(a) && !is_local(b) {
            found.insert(key.clone(), pair);
        }
    }
    found
}

/// The names of what differs of an entry that both have.
fn attributes([a, b]: &[Map<String, Value>; 2]) -> Vec<String> {
    let names = a
        .keys()
        .chain(b.keys().filter(|name| !a.contains_key(*name)));
    let different = names.filter(|name| a.get(*name) != b.get(*name));
    let value = |entry: &Map<String, Value>, name: &str| {
        entry
            .get(name)
            .map_or("nothing".to_owned(), Value::to_string)
    };
    different
        .map(|name| format!("{name}: {} / {}", value(a, name), value(b, name)))
        .collect()
}

/// Runs the command.
pub fn run(context: &Context, words: &[String], rsh: &str) -> Outcome {
    let sources = match words {
        [one] => [Source::Here, Source::new(one)],
        [one, other] => [Source::new(one), Source::new(other)],
        _ => return Err(Error::new("diff takes one or two tables")),
    };
    let rounds = if sources.iter().any(Source::is_alive) {
        ROUNDS
    } else {
        1
    };
    let mut found: Option<Differences> = None;
    let mut count = 0;
    for round in 0..rounds {
        if round > 0 {
            sleep(PAUSE);
        }
        let one = sources[0].read(context, rsh)?;
        let other = sources[1].read(context, rsh)?;
        count = one.len();
        let mut now = differences(&one, &other);
        if let Some(before) = &found {
            now.retain(|key, _| before.contains_key(key));
        }
        let done = now.is_empty();
        found = Some(now);
        if done {
            break;
        }
    }
    let found = found.unwrap_or_default();
    match context.json {
        true => print_json(&to_json(&found, count)),
        false => print!("{}", text(&found, count)),
    }
    Ok(if found.is_empty() { HEALTHY } else { DEGRADED })
}

/// The verdict for programs.
fn to_json(found: &Differences, count: usize) -> Value {
    let list = found
        .iter()
        .map(|(_, [a, b])| json!({"one": a, "other": b}));
    json!({"equal": found.is_empty(), "entries": count, "differences": list.collect::<Vec<_>>()})
}

/// The verdict for people.
fn text(found: &Differences, count: usize) -> String {
    if found.is_empty() {
        return format!(
            "equal: {count} entries; windows, timeouts and what helpers remember are not shown by \
                the kernel and not compared\n"
        );
    }
    let mut text = format!("{} entries differ\n", found.len());
    for (key, pair) in found.iter().take(SHOWN) {
        text += &match pair {
            [_, b] if b.is_empty() => format!("- {key}: only the first has it\n"),
            [a, _] if a.is_empty() => format!("+ {key}: only the second has it\n"),
            both => format!("! {key}: {}\n", attributes(both).join("; ")),
        };
    }
    if found.len() > SHOWN {
        text += &format!("… and {} more: --json shows all\n", found.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"orig":{"src":"1"},"mark":1}"#;

    fn compared(one: &str, other: &str) -> String {
        let (one, other) = (parse("a", one).unwrap(), parse("b", other).unwrap());
        text(&differences(&one, &other), one.len())
    }

    #[test]
    fn equal_tables_are_equal() {
        assert!(compared(A, A).starts_with("equal: 1 entries"));
        assert!(compared("", "").starts_with("equal: 0 entries"));
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        assert!(compared(A, &A.replace("mark\":1", "mark\":2"))
            .contains("! zone 0 {\"src\":\"1\"}: mark: 1 / 2\n"));
        assert!(compared(A, "").contains("- zone 0 {\"src\":\"1\"}: only the first"));
        assert!(compared("", A).contains("+ zone 0 {\"src\":\"1\"}: only the second"));
        let zoned = A
            .replace('}', "")
            .replace("\"mark\":1", "")
            .replace("\"1\",", "\"1\"},\"zone\":7}");
        assert!(compared("", &zoned).contains("+ zone 7"), "{zoned}");
    }

    #[test]
    fn flows_of_the_node_itself_are_left_out() {
        assert!(compared(&A.replace("mark\":1", "local\":true"), "").starts_with("equal"));
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        for text in ["tcp 6 431999 ESTABLISHED", "[]", "{}", "{\"orig\":1}", "\n"] {
            assert!(parse("x", text).is_err(), "{text}");
        }
    }
}
