// SPDX-License-Identifier: GPL-2.0

//! One node of a run: the protocol core, and what the threads of the module do around it.

use super::table::Doubter;
use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::proto::wire::header::{Header, Kind};
use crate::proto::wire::record::{Record, Records};
use crate::proto::{Address, Config, Node, Role, Storage, Time, Truth};
use crate::sim::Rng;
use crate::stats::Stats;

/// Largest frame.
const FRAME_MAX: usize = 400;
/// Frames that can be repaired.
const BACKLOG: usize = 8;
/// Rounds of the sender in which it has to come to an end: it sends at most what a backlog, a walk
/// and 64 ranges hold.
const ROUNDS_MAX: u32 = 10_000;

/// The node.
pub(super) struct Victim {
    pub(super) node: Node,
    pub(super) stats: Stats,
    pub(super) table: Doubter,
    id: u32,
    /// Where the walk stands.
    walk: usize,
}

impl Victim {
    /// A node at the start of a life.
    pub(super) fn new(id: u32, rng: &mut Rng) -> Self {
        let config = config(id, rng);
        let Ok(storage) = Storage::new(FRAME_MAX, 4, BACKLOG);
        Self {
            node: Node::new(config, storage),
            stats: Stats::new(),
            table: Doubter::new(rng),
            id,
            walk: 0,
        }
    }

    /// Starts anew, as after a crash.
    pub(super) fn restart(&mut self, rng: &mut Rng) {
        *self = Self::new(self.id, rng);
    }

    /// Is told to be primary.
    pub(super) fn promote(&mut self, now: Time) {
        self.node.promote(now, &self.stats);
    }

    /// Is told to be backup.
    pub(super) fn demote(&mut self, now: Time) {
        self.node.demote(now, &self.stats);
    }

    /// Has its knobs changed; seldom that makes it another node.
    pub(super) fn reconfigure(&mut self, rng: &mut Rng) {
        let incarnation = self.node.config().incarnation;
        let mut config = config(self.id, rng);
        if rng.happens(900_000) {
            config.incarnation = incarnation;
        }
        self.node.reconfigure(config);
    }

    /// Is given a frame.
    pub(super) fn receive(&mut self, frame: &[u8], now: Time) {
        let (epoch, primary) = (self.node.epoch(), self.node.role() == Role::Primary);
        let before = self.table.len();
        self.node
            .handle_frame(frame, Address::default(), now, &mut self.table, &self.stats);
        assert!(self.node.epoch() >= epoch, "the epoch went back");
        assert!(!primary || self.table.len() == before, "a primary applied");
        self.node.take_notices();
    }

    /// Does what the sender thread does; returns what it sent.
    pub(super) fn send(&mut self, now: Time, rng: &mut Rng) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.node.set_table_size(self.table.len() as u32, 40);
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the sender does not come to an end");
            let more = self.tell(now, rng);
            while let Some(frame) = self.node.poll_transmit(now, &self.stats) {
                frames.push(frame.to_vec());
                assert!(frames.len() < ROUNDS_MAX as usize, "it sends without end");
            }
            if !more {
                break;
            }
        }
        frames.iter().for_each(|frame| understand(frame));
        frames
    }

    /// Tells of one thing; returns whether there may be more.
    fn tell(&mut self, now: Time, rng: &mut Rng) -> bool {
        if !self.node.has_room() {
            return true;
        }
        if let Some(key) = self.node.poll_repair(now, &self.stats) {
            match self.table.find(&key) {
                Some(entry) => self.tell_truth(Truth::Present(&entry), now),
                None => self.tell_truth(Truth::Absent(&key), now),
            }
            return true;
        }
        let Some(walk) = self.node.poll_walk(now, &self.stats) else {
            return !self.node.has_room();
        };
        if walk.restart {
            self.walk = 0;
        }
        match self.table.entry(self.walk) {
            // What an event waits for.
            Some(entry) if rng.happens(100_000) => self.tell_truth(Truth::Present(&entry), now),
            Some(entry) => self.node.handle_walked(&entry, now, &self.stats),
            None => self.node.handle_walk_end(now),
        }
        self.walk += 1;
        true
    }

    fn tell_truth(&mut self, truth: Truth<'_>, now: Time) {
        self.node.handle_truth(truth, now, &self.stats);
    }
}

/// The settings of a node.
fn config(node_id: u32, rng: &mut Rng) -> Config {
    Config {
        cluster_id: 1,
        node_id,
        incarnation: 1 + rng.below(1000) as u32,
        frame_max: *rng.of(&[FRAME_MAX, 200]),
        flush: *rng.of(&[0, NS_PER_MS]),
        heartbeat: *rng.of(&[0, NS_PER_S, u64::MAX]),
        resync_rate: *rng.of(&[0, 1000, u32::MAX]),
        scrub_interval: *rng.of(&[0, NS_PER_S, u64::MAX]),
    }
}

/// Checks that others understand a frame.
fn understand(frame: &[u8]) {
    assert!(frame.len() <= FRAME_MAX.max(40 + 32 + 8 * 32), "too long");
    let (header, payload) = Header::decode(frame).expect("a frame");
    if header.kind == Kind::Data {
        for body in Records::new(payload, header.count).expect("records") {
            let mut unknown = 0;
            let record = Record::decode(body, &mut unknown).expect("a record");
            assert!(record != Record::Unknown && unknown == 0, "{record:?}");
        }
    }
}
