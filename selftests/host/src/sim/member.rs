// SPDX-License-Identifier: GPL-2.0

//! One simulated node: the protocol core with a table, a queue and a clock around it.

use super::numbered::Numbered;
use super::options::Options;
use super::rng::Rng;
use super::table::{number, SimTable, Slot};
use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::proto::wire::header::Header;
use crate::proto::{Address, Config, Endpoints, Entry, Key, Node, Role, Storage, Time, Truth};
use crate::stats::Stats;
use std::collections::VecDeque;
use std::rc::Rc;

/// Largest payload of the simulated links, small so that a resync takes many frames.
pub(super) const FRAME_MAX: usize = 400;

/// A clock that is not the world's.
#[derive(Clone, Copy)]
struct Clock {
    offset_ns: u64,
    drift_ppm: i64,
}

impl Clock {
    /// What it shows when the world's time is `now`.
    fn read(self, now: Time) -> Time {
        let drift = (now.0 as i64 / 1_000_000) * self.drift_ppm;
        Time(self.offset_ns + now.0.saturating_add_signed(drift))
    }
}

/// One node with what surrounds it.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) stats: Stats,
    pub(super) table: SimTable,
    /// Keys that wait for the sender, in order, each once.
    queue: VecDeque<Key>,
    queued: Numbered<()>,
    /// What the walk has still to tell of.
    walk: VecDeque<u16>,
    clock: Clock,
    pub(super) alive: bool,
    /// Stands still until then.
    pub(super) frozen: Option<Time>,
    /// When it went on after that.
    pub(super) thawed: Option<Time>,
    /// Frames that came while it stood still.
    pub(super) inbox: Vec<Rc<[u8]>>,
}

impl Member {
    /// Node `who` at the start of its life number `life`.
    pub(super) fn new(who: usize, life: u32, options: &Options, rng: &mut Rng) -> Self {
        let config = Config {
            cluster_id: 1,
            node_id: who as u32 + 1,
            incarnation: life,
            frame_max: FRAME_MAX,
            flush: NS_PER_MS,
            heartbeat: NS_PER_S,
            resync_rate: options.resync_rate,
            scrub_interval: options.scrub_ns,
        };
        let Ok(storage) = Storage::new(FRAME_MAX, options.nodes, options.backlog);
        let drift = u64::from(options.drift_ppm);
        Self {
            node: Node::new(config, storage),
            stats: Stats::new(),
            table: SimTable::default(),
            queue: VecDeque::new(),
            queued: Numbered::default(),
            walk: VecDeque::new(),
            clock: Clock {
                offset_ns: rng.below(NS_PER_S << 20),
                drift_ppm: rng.below(2 * drift + 1) as i64 - drift as i64,
            },
            alive: true,
            frozen: None,
            thawed: None,
            inbox: Vec::new(),
        }
    }

    /// Whether it does anything at the moment.
    pub(super) fn runs(&self) -> bool {
        self.alive && self.frozen.is_none()
    }

    /// Whether it is primary.
    pub(super) fn leads(&self) -> bool {
        self.alive && self.node.role() == Role::Primary
    }

    /// Whether it says that it has everything.
    pub(super) fn synced(&self, now: Time) -> bool {
        self.node.synced(self.clock.read(now))
    }

    /// When it wants to do something by itself.
    pub(super) fn wakes_in(&self, now: Time) -> u64 {
        let at = self.node.poll_timeout();
        at.map_or(NS_PER_S, |at| at.since(self.clock.read(now)))
    }

    /// Takes a frame.
    pub(super) fn receive(&mut self, frame: &[u8], now: Time) {
        if let Ok((header, _)) = Header::decode(frame) {
            self.table.stream = header.stream();
            self.table.closed = self.node.role() == Role::Primary;
        }
        let epoch = self.node.epoch();
        let now = self.clock.read(now);
        let Self {
            node, stats, table, ..
        } = self;
        node.handle_frame(frame, Address::default(), now, table, stats);
        assert!(node.epoch() >= epoch, "the epoch went back");
    }

    /// Does what the sender thread does, until nothing is left to do; the frames that it sends
    /// are added to `out`.
    pub(super) fn run(&mut self, now: Time, out: &mut Vec<Rc<[u8]>>) {
        let now = self.clock.read(now);
        let count = self.table.slots.len() as u32;
        self.node.set_table_size(count, 1 << 20);
        if self.node.role() == Role::Backup {
            self.queue.clear();
            self.queued.clear();
        }
        loop {
            // As the sender of the module: it sends when there is no more room, or nothing to tell.
            let told = self.step(now);
            if told && self.has_room() {
                continue;
            }
            while let Some(frame) = self.node.poll_transmit(now, &self.stats) {
                out.push(frame.into());
            }
            if !told {
                return;
            }
        }
    }

    /// Whether there is room for a record, of which the simulated ones need no more than an absence.
    /// As the sender of the module asks: room for the largest of all would close each frame behind
    /// its first record.
    fn has_room(&mut self) -> bool {
        self.node.has_room_for_absence()
    }

    /// Tells of one thing, as there is room after each; returns whether there may be more.
    fn step(&mut self, now: Time) -> bool {
        if !self.has_room() {
            return true;
        }
        if let Some(key) = self.queue.pop_front() {
            self.queued.remove(number(&key));
            self.tell_live(&key, now);
            return true;
        }
        if let Some(key) = self.node.poll_repair(now, &self.stats) {
            self.tell(&key, now);
            return true;
        }
        self.walk(now)
    }

    /// Tells of a key that waited: to peers that know it what has changed, else everything.
    fn tell_live(&mut self, key: &Key, now: Time) {
        match self.table.slots.get(number(key)) {
            Some(slot) if slot.replicated => {
                let truth = Truth::Changed(&slot.entry);
                self.node.handle_truth(truth, now, &self.stats);
            }
            _ => self.tell(key, now),
        }
    }

    /// Tells of a key, with all that is true of it now.
    fn tell(&mut self, key: &Key, now: Time) {
        match self.table.slots.get_mut(number(key)) {
            Some(slot) => {
                slot.replicated = true;
                let truth = Truth::Present(&slot.entry);
                self.node.handle_truth(truth, now, &self.stats);
            }
            None => self.node.handle_truth(Truth::Absent(key), now, &self.stats),
        }
    }

    /// Walks a part of the table if that is wanted; returns whether it did.
    fn walk(&mut self, now: Time) -> bool {
        let Some(walk) = self.node.poll_walk(now, &self.stats) else {
            return !self.has_room();
        };
        if walk.restart {
            self.walk = self.table.slots.iter().map(|(id, _)| id).collect();
        }
        for _ in 0..walk.budget {
            if !self.has_room() {
                return true;
            }
            let Some(id) = self.walk.pop_front() else {
                self.node.handle_walk_end(now);
                return true;
            };
            if let Some(slot) = self.table.slots.get_mut(id) {
                slot.replicated = true;
                slot.mark = walk.mark;
                self.node.handle_walked(&slot.entry, now, &self.stats);
            }
        }
        true
    }

    /// A connection of this primary begins, changes or ends.
    pub(super) fn change(&mut self, key: Key, change: u32, ends: bool) {
        if let Some(slot) = self.table.slots.get_mut(number(&key)).filter(|_| !ends) {
            slot.entry.mark = change;
        } else if ends {
            self.table.slots.remove(number(&key));
        } else {
            self.table.slots.insert(
                number(&key),
                Slot {
                    entry: fresh(key, change),
                    mark: 0,
                    replicated: false,
                },
            );
        }
        if self.queued.insert(number(&key), ()).is_none() {
            self.queue.push_back(key);
        }
    }

    /// A connection vanishes from the table of this backup.
    pub(super) fn lose(&mut self, key: &Key, now: Time) {
        let now = self.clock.read(now);
        if self.table.slots.remove(number(key)).is_some() {
            self.node.note_loss(now);
        }
    }

    /// Something of this backup's own gets in the way of a connection that vanishes from its table.
    pub(super) fn take(&mut self, key: &Key, now: Time) {
        self.table.taken.insert(number(key), ());
        self.lose(key, now);
    }

    /// What is in the way of connections goes; somebody has the node try again what it refused.
    pub(super) fn give_back(&mut self) {
        if self.table.taken.len() != 0 {
            self.table.taken.clear();
            self.node.request_walk(&self.stats);
        }
    }

    /// Is told to be primary.
    pub(super) fn promote(&mut self, now: Time) {
        let now = self.clock.read(now);
        self.table.taken.clear();
        self.node.promote(now, &self.stats);
    }

    /// Is told to be backup. What it had still to tell is not told.
    pub(super) fn demote(&mut self, now: Time) {
        let now = self.clock.read(now);
        self.node.demote(now, &self.stats);
        self.walk.clear();
    }
}

/// A connection at its beginning. Most are masqueraded, in each life by another port.
fn fresh(key: Key, change: u32) -> Entry {
    let original = key.original;
    let mut entry = Entry {
        key,
        reply: Endpoints {
            src: original.dst,
            dst: original.src,
            src_port: original.dst_port,
            dst_port: original.src_port,
        },
        status: Entry::SEEN_REPLY,
        mark: change,
        ..Entry::default()
    };
    if change % 4 != 0 {
        entry.status |= Entry::SRC_NAT;
        entry.reply.dst[..4].copy_from_slice(&[192, 0, 2, 1]);
        entry.reply.dst_port = change as u16;
    }
    entry
}
