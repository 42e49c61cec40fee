// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/ct_sync` as the module writes it: one `name value` a line, peers as `name=value`.
//!
//! Names never change their meaning, and newer modules have more of them: lines and pairs that are
//! not known are kept, so that `--json` shows them.

use ct_sync_module::stats::Counter;
use serde_json::{json, Map, Value};

use crate::error::Error;

/// The words after the name of a line, or the pairs of a peer.
type Fields = Vec<(String, String)>;

/// What the module told at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All lines but those of peers, in their order.
    fields: Fields,
    /// The other nodes.
    pub peers: Vec<Peer>,
}

/// Another node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    fields: Fields,
}

/// The value of `name`.
fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(key, _)| key == name)?;
    Some(value)
}

/// A number where the text is one, else the text.
fn to_json(text: &str) -> Value {
    text.parse::<u64>()
        .map_or_else(|_| json!(text), |number| json!(number))
}

impl Snapshot {
    /// Takes the file apart.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match line.split_once(' ') {
                Some(("peer", pairs)) => snapshot.peers.push(Peer::parse(pairs)),
                Some((name, value)) => snapshot
                    .fields
                    .push((name.to_owned(), value.trim().to_owned())),
                None => snapshot.fields.push((line.to_owned(), String::new())),
            }
        }
        match snapshot.text("role") {
            Some("primary" | "backup") => Ok(snapshot),
            _ => Err(Error::new(
                "/proc/net/ct_sync does not say which role this node has: it is not a file of \
                    ct_sync, or was cut short",
            )),
        }
    }

    /// The value of a line.
    pub fn text(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// The value of a line that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The value of a counter; 0 if this module does not have it.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.number(counter.name()).unwrap_or(0)
    }

    /// Whether the node is primary.
    pub fn is_primary(&self) -> bool {
        self.text("role") == Some("primary")
    }

    /// Whether replication runs.
    pub fn is_running(&self) -> bool {
        self.number("running") == Some(1)
    }

    /// Whether the node has all that the primary has.
    pub fn is_synced(&self) -> bool {
        self.number("synced") == Some(1)
    }

    /// The peer that is primary and was heard last.
    pub fn primary(&self) -> Option<&Peer> {
        let primaries = self.peers.iter().filter(|peer| peer.is_primary());
        primaries.min_by_key(|peer| peer.number("heard_ms").unwrap_or(u64::MAX))
    }

    /// All of it, peers as an array.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut all: Map<_, _> = self
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), to_json(value)))
            .collect();
        all.insert(
            "peers".to_owned(),
            self.peers.iter().map(Peer::to_json).collect(),
        );
        all
    }
}

impl Peer {
    /// Takes the pairs of a line apart.
    fn parse(pairs: &str) -> Self {
        let pairs = pairs
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        let fields = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { fields }
    }

    /// A value.
    pub fn text(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    /// A value that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Its address, or its number if there is none.
    pub fn name(&self) -> &str {
        self.text("address").or(self.text("node_id")).unwrap_or("?")
    }

    /// Whether it is primary.
    pub fn is_primary(&self) -> bool {
        self.text("role") == Some("primary")
    }

    /// Whether it has all that its primary has.
    pub fn is_synced(&self) -> bool {
        self.number("synced") == Some(1)
    }

    /// Milliseconds since it was heard.
    pub fn heard_ms(&self) -> u64 {
        self.number("heard_ms").unwrap_or(u64::MAX)
    }

    /// All pairs.
    fn to_json(&self) -> Value {
        let pairs = self.fields.iter();
        Value::Object(
            pairs
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        )
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A backup that follows its primary.
    pub const BACKUP: &str = "role backup
running 1
node_id 2
epoch 7
seq 1500
synced 1
table_count 41230
table_max 262144
peer node_id=1 address=10.9.0.1 role=primary epoch=7 synced=1 heard_ms=412 heard_us_ms=500 \
lag_frames=0 lag_ms=0 table_count=41231 table_max=262144
l2dropped 3
frames_received 2000
frames_gap 3
frames_lost 12
frames_made_good 12
entries_inserted 41230
";
    /// The primary of that pair.
    pub const PRIMARY: &str = "role primary
running 1
node_id 1
epoch 7
seq 1500
synced 1
table_count 41231
table_max 262144
peer node_id=2 address=10.9.0.2 role=backup epoch=7 synced=1 heard_ms=120 heard_us_ms=130 \
lag_frames=2 lag_ms=1 table_count=41230 table_max=262144
l2dropped 0
frames_sent 2000
promotions 1
";

    #[test]
    fn a_file_is_taken_apart() {
        let backup = Snapshot::parse(BACKUP).unwrap();
        assert!(!backup.is_primary() && backup.is_running() && backup.is_synced());
        assert_eq!(backup.number("epoch"), Some(7));
        assert_eq!(backup.counter(Counter::FramesLost), 12);
        let primary = backup.primary().unwrap();
        assert_eq!((primary.name(), primary.heard_ms()), ("10.9.0.1", 412));
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let text = "role backup\nshoe_size 43\nlonely\npeer node_id=1 colour=red nonsense\n";
        let json = Value::Object(Snapshot::parse(text).unwrap().to_json());
        assert_eq!(
            json,
            json!({"role": "backup", "shoe_size": 43, "lonely": "", "peers": [{"node_id": 1, "colour": "red"}]})
        );
    }

    #[test]
    fn another_file_is_refused() {
        for text in [
            "",
            "\0\0\0",
            "role",
            "role emperor\n",
            "running 1\nsynced 1\n",
        ] {
            assert!(Snapshot::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn values_out_of_range_are_no_numbers() {
        let text = "role primary\nepoch 99999999999999999999999\nseq -1\n";
        let snapshot = Snapshot::parse(text).unwrap();
        assert_eq!(
            (snapshot.number("epoch"), snapshot.number("seq")),
            (None, None)
        );
    }
}
