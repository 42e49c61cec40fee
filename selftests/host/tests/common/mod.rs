// SPDX-License-Identifier: GPL-2.0

//! What the tests of the protocol share: nodes, tables and entries.

#![allow(dead_code)] // Each test uses some of it.

use ct_sync_host::proto::entry::{FAMILY_V4, ZONE_DIR_BOTH};
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::stats::{Counter, Stats};
use std::collections::HashMap;

/// Largest payload over Ethernet and IPv4.
pub(crate) const FRAME_MAX: usize = 1472;

/// Frames that a node can repair.
pub(crate) const BACKLOG: usize = 16;

/// A table that takes everything, unless it is told to be full.
#[derive(Default)]
pub(crate) struct MapTable {
    /// Entries with their marks.
    pub(crate) entries: HashMap<Key, (Entry, u8)>,
    /// What connections expect.
    pub(crate) expected: HashMap<Key, Vec<Expectation>>,
    /// No entry is inserted when there are as many.
    pub(crate) max: Option<usize>,
    /// A connection that is refused for good.
    pub(crate) refused: Option<Key>,
}

impl Table for MapTable {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        assert_ne!(mark, 0, "0 is left to entries without a mark");
        let full = self.max.is_some_and(|max| self.entries.len() >= max);
        if full && !self.entries.contains_key(&entry.key) {
            return Applied::TableFull;
        }
        if self.refused == Some(entry.key) {
            return Applied::Conflict;
        }
        match self.entries.insert(entry.key, (*entry, mark)) {
            Some((old, _)) if old == *entry => Applied::Unchanged,
            Some(_) => Applied::Updated,
            None => Applied::Inserted,
        }
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        let Some((held, stamp)) = self.entries.get_mut(&entry.key) else {
            return Applied::Incomplete;
        };
        let entry = Entry {
            reply: held.reply,
            ..*entry
        };
        let same = *held == entry;
        (*held, *stamp) = (entry, mark);
        match same {
            true => Applied::Unchanged,
            false => Applied::Updated,
        }
    }

    fn expect(&mut self, master: &Key, expectation: &Expectation) -> Expected {
        let list = self.expected.entry(*master).or_default();
        if expectation.index == 0 {
            list.clear();
        }
        list.push(*expectation);
        Expected::Added
    }

    fn delete(&mut self, key: &Key) -> Applied {
        match self.entries.remove(key) {
            Some(_) => Applied::Deleted,
            None => Applied::Absent,
        }
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        let before = self.entries.len();
        self.entries.retain(|_, &mut (_, m)| m == mark);
        (before - self.entries.len()) as u32
    }

    fn forget_marks(&mut self) {
        self.entries.values_mut().for_each(|(_, mark)| *mark = 0);
    }
}

/// Settings of node `node_id` of cluster 1.
pub(crate) fn config(node_id: u32) -> Config {
    Config {
        cluster_id: 1,
        node_id,
        incarnation: node_id * 1000,
        frame_max: FRAME_MAX,
        flush: NS_PER_MS,
        heartbeat: NS_PER_S,
        resync_rate: 0,
        scrub_interval: 0,
    }
}

/// A UDP connection whose ports are made of `n`, with the connmark `mark`.
pub(crate) fn entry(n: u16, mark: u32) -> Entry {
    let mut entry = Entry {
        status: Entry::SEEN_REPLY,
        mark,
        ..Entry::default()
    };
    entry.key = Key {
        zone_dir: ZONE_DIR_BOTH,
        family: FAMILY_V4,
        protocol: 17,
        ..Key::default()
    };
    entry.key.original.src[..4].copy_from_slice(&[10, 0, 0, 2]);
    entry.key.original.dst[..4].copy_from_slice(&[198, 51, 100, 7]);
    entry.key.original.src_port = n;
    entry.key.original.dst_port = 53;
    entry.reply = Endpoints {
        src: entry.key.original.dst,
        dst: entry.key.original.src,
        src_port: 53,
        dst_port: n,
    };
    entry
}

/// The same, masqueraded as port `port`.
pub(crate) fn masqueraded(n: u16, mark: u32, port: u16) -> Entry {
    let mut entry = entry(n, mark);
    entry.status |= Entry::SRC_NAT;
    entry.reply.dst[..4].copy_from_slice(&[192, 0, 2, 1]);
    entry.reply.dst_port = port;
    entry
}

/// A node with its table and its counters.
pub(crate) struct Host {
    /// The node.
    pub(crate) node: Node,
    /// What it has replicated; a primary's own connections.
    pub(crate) table: MapTable,
    /// Its counters.
    pub(crate) stats: Stats,
}

impl Host {
    /// A node with these settings and nothing else.
    pub(crate) fn new(config: Config) -> Self {
        let Ok(storage) = Storage::new(config.frame_max, PEERS_MAX, BACKLOG);
        Self {
            node: Node::new(config, storage),
            table: MapTable::default(),
            stats: Stats::new(),
        }
    }

    /// All frames that it has to send now; walks and repairs included.
    pub(crate) fn send(&mut self, now: Time) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            self.flush(now, &mut frames);
            if let Some(key) = self.node.poll_repair(now, &self.stats) {
                self.tell(&key, now);
                continue;
            }
            if self.node.poll_walk(now, &self.stats).is_none() {
                self.flush(now, &mut frames);
                return frames;
            }
            for (entry, _) in self.table.entries.values() {
                while !self.node.has_room() {
                    frames.push(self.node.poll_transmit(now, &self.stats).unwrap().to_vec());
                }
                self.node.handle_walked(entry, now, &self.stats);
            }
            self.node.handle_walk_end(now);
        }
    }

    /// The frames that are due without anything being told.
    pub(crate) fn flush(&mut self, now: Time, frames: &mut Vec<Vec<u8>>) {
        while let Some(frame) = self.node.poll_transmit(now, &self.stats) {
            frames.push(frame.to_vec());
        }
    }

    /// Tells what is true of a key.
    fn tell(&mut self, key: &Key, now: Time) {
        let truth = match self.table.entries.get(key) {
            Some((entry, _)) => Truth::Present(entry),
            None => Truth::Absent(key),
        };
        self.node.handle_truth(truth, now, &self.stats);
    }

    /// Takes frames.
    pub(crate) fn receive<'a>(&mut self, frames: impl IntoIterator<Item = &'a Vec<u8>>, now: Time) {
        for frame in frames {
            self.node
                .handle_frame(frame, Address::default(), now, &mut self.table, &self.stats);
        }
    }

    /// As primary, sets a connection of its own and tells of it.
    pub(crate) fn set(&mut self, entry: Entry, now: Time) {
        self.table.entries.insert(entry.key, (entry, 1));
        self.node
            .handle_truth(Truth::Present(&entry), now, &self.stats);
    }

    /// The same of a connection that peers know already.
    pub(crate) fn change(&mut self, entry: Entry, now: Time) {
        self.table.entries.insert(entry.key, (entry, 1));
        self.node
            .handle_truth(Truth::Changed(&entry), now, &self.stats);
    }

    /// As primary, ends a connection of its own and tells of it.
    pub(crate) fn end(&mut self, key: Key, now: Time) {
        self.table.entries.remove(&key);
        self.node
            .handle_truth(Truth::Absent(&key), now, &self.stats);
    }

    /// The value of a counter.
    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.stats.value(counter)
    }

    /// What its table holds, without marks.
    pub(crate) fn contents(&self) -> HashMap<Key, Entry> {
        let entries = self.table.entries.iter();
        entries.map(|(&key, &(entry, _))| (key, entry)).collect()
    }
}

/// Lets hosts talk without loss, in steps of a millisecond, for `ms` of them.
pub(crate) fn talk(hosts: &mut [&mut Host], now: &mut Time, ms: u64) {
    for _ in 0..ms {
        for sender in 0..hosts.len() {
            let frames = hosts[sender].send(*now);
            for (receiver, host) in hosts.iter_mut().enumerate() {
                if receiver != sender {
                    host.receive(&frames, *now);
                }
            }
        }
        *now = now.after(NS_PER_MS);
    }
}
