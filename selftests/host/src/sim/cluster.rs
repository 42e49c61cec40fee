// SPDX-License-Identifier: GPL-2.0

//! The cluster: nodes, links, and what happens to them.

use super::rng::Rng;
use super::table::{id, Id, SimTable, Slot};
use crate::proto::entry::{FAMILY_V4, ZONE_DIR_BOTH};
use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::proto::{
    backlog_bytes, Address, BacklogFrame, Config, Endpoints, Entry, Key, Node, Peer, Role, Storage,
    Time, Truth, PEERS_MAX,
};
use crate::stats::{Counter, Stats};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Largest payload of the simulated links, small so that a resync takes many frames.
const FRAME_MAX: usize = 400;
/// Frames that a simulated primary can repair.
const BACKLOG: usize = 64;
/// Longest that a node does not look at its clock; a bug that asks for less would spin.
const TICK_NS: u64 = 100_000;

/// How a cluster is made and treated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nodes, at least two.
    pub nodes: usize,
    /// Lost frames, parts per million.
    pub loss_ppm: u32,
    /// Doubled frames, parts per million.
    pub duplicate_ppm: u32,
    /// Largest delay of a frame; more than the flush time reorders.
    pub delay_ns: u64,
    /// Mean time between two changes of connections.
    pub change_ns: u64,
    /// Different connections.
    pub keys: u64,
    /// Mean time between two faults (crashes, takeovers, partitions), 0 is none.
    pub fault_ns: u64,
    /// Records of a resync per second, 0 is unlimited.
    pub resync_rate: u32,
    /// Time of a scrub of the whole table, 0 is never.
    pub scrub_ns: u64,
}

/// One node with what surrounds it.
struct Member {
    node: Node,
    stats: Stats,
    table: SimTable,
    /// Keys that wait for the sender.
    dirty: VecDeque<Key>,
    /// What the walk has still to tell of.
    walk: VecDeque<Id>,
    alive: bool,
    /// Cut off from all others.
    isolated: bool,
    /// The wake-up that counts; earlier ones are ignored.
    wake: u64,
}

/// What happens at a moment.
enum Event {
    Deliver { to: usize, frame: Vec<u8> },
    Wake { who: usize, number: u64 },
    Change,
    Fault,
    Restart { who: usize },
    Takeover,
    Reconnect { who: usize },
}

/// A moment, the number of the event, and where the event is: ordered by time, then by number.
type Due = Reverse<(Time, u64)>;

/// A cluster.
pub struct Cluster {
    options: Options,
    rng: Rng,
    now: Time,
    members: Vec<Member>,
    due: BinaryHeap<Due>,
    events: std::collections::HashMap<u64, Event>,
    number: u64,
    /// Changes so far: the connmark of the last.
    changes: u32,
    lives: u32,
    /// No faults, no changes, no loss.
    quiet: bool,
}

impl Cluster {
    /// A cluster whose first node is primary.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut cluster = Self {
            options,
            rng: Rng::new(seed),
            now: Time(NS_PER_S),
            members: Vec::new(),
            due: BinaryHeap::new(),
            events: Default::default(),
            number: 0,
            changes: 0,
            lives: 0,
            quiet: false,
        };
        for who in 0..options.nodes {
            let member = cluster.member(who);
            cluster.members.push(member);
            cluster.run_member(who);
        }
        cluster.promote(0);
        cluster.at(options.change_ns, Event::Change);
        if options.fault_ns != 0 {
            cluster.at(options.fault_ns, Event::Fault);
        }
        cluster
    }

    /// A node at its start.
    fn member(&mut self, who: usize) -> Member {
        self.lives += 1;
        let config = Config {
            cluster_id: 1,
            node_id: who as u32 + 1,
            incarnation: self.lives,
            frame_max: FRAME_MAX,
            flush: NS_PER_MS,
            heartbeat: NS_PER_S,
            resync_rate: self.options.resync_rate,
            scrub_interval: self.options.scrub_ns,
        };
        let storage = Storage {
            frame: vec![0; FRAME_MAX].into(),
            peers: vec![Peer::default(); PEERS_MAX].into(),
            backlog: vec![BacklogFrame::default(); BACKLOG].into(),
            backlog_bytes: vec![0; BACKLOG * backlog_bytes(FRAME_MAX)].into(),
        };
        Member {
            node: Node::new(config, storage),
            stats: Stats::new(),
            table: SimTable::default(),
            dirty: VecDeque::new(),
            walk: VecDeque::new(),
            alive: true,
            isolated: false,
            wake: 0,
        }
    }

    /// Plans an event.
    fn at(&mut self, delay_ns: u64, event: Event) {
        self.number += 1;
        self.due
            .push(Reverse((self.now.after(delay_ns), self.number)));
        self.events.insert(self.number, event);
    }

    /// Runs for some time.
    pub fn run(&mut self, ns: u64) {
        let end = self.now.after(ns);
        while let Some(&Reverse((time, number))) = self.due.peek() {
            if time > end {
                break;
            }
            self.due.pop();
            self.now = time;
            if let Some(event) = self.events.remove(&number) {
                self.happen(event);
            }
        }
        self.now = end;
    }

    /// Lets an event happen.
    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { to, frame } => self.deliver(to, &frame),
            Event::Wake { who, number } if self.members[who].wake == number => self.run_member(who),
            Event::Wake { .. } => {}
            Event::Change => self.change(),
            Event::Fault => self.fault(),
            Event::Restart { who } => self.restart(who),
            Event::Takeover => self.takeover(),
            Event::Reconnect { who } => self.members[who].isolated = false,
        }
    }

    /// A node is given a frame.
    fn deliver(&mut self, to: usize, frame: &[u8]) {
        let now = self.now;
        let member = &mut self.members[to];
        if !member.alive || member.isolated {
            return;
        }
        let epoch = member.node.epoch();
        if let Ok((header, _)) = crate::proto::header::Header::decode(frame) {
            member.table.stream = header.stream();
        }
        let Member {
            node, stats, table, ..
        } = member;
        node.handle_frame(frame, Address::default(), now, table, stats);
        assert!(node.epoch() >= epoch, "the epoch went back");
        self.run_member(to);
    }

    /// Does what the sender thread of a node does: all that is due, then waits.
    fn run_member(&mut self, who: usize) {
        if !self.members[who].alive {
            return;
        }
        while self.step_member(who) {}
        self.number += 1;
        let (now, number) = (self.now, self.number);
        let member = &mut self.members[who];
        member.wake = number;
        let at = member.node.poll_timeout().unwrap_or(now.after(NS_PER_S));
        self.at(at.since(now).max(TICK_NS), Event::Wake { who, number });
    }

    /// Does one thing; returns whether there may be more.
    fn step_member(&mut self, who: usize) -> bool {
        let now = self.now;
        let member = &mut self.members[who];
        let frame = member.node.poll_transmit(now, &member.stats);
        if let Some(frame) = frame.map(<[u8]>::to_vec) {
            self.send(who, frame);
            return true;
        }
        if let Some(key) = member.dirty.pop_front() {
            member.tell(&key, now);
            return true;
        }
        if let Some(key) = member.node.poll_repair(now, &member.stats) {
            member.tell(&key, now);
            return true;
        }
        member.walk(now)
    }

    /// A frame goes to all others.
    fn send(&mut self, from: usize, frame: Vec<u8>) {
        if self.members[from].isolated {
            return;
        }
        for to in (0..self.members.len()).filter(|&to| to != from) {
            let (loss, twice) = match self.quiet {
                true => (0, 0),
                false => (self.options.loss_ppm, self.options.duplicate_ppm),
            };
            if self.rng.happens(loss) {
                continue;
            }
            for _ in 0..=u32::from(self.rng.happens(twice)) {
                let spread = if self.quiet { 1 } else { self.options.delay_ns };
                let delay = 50_000 + self.rng.below(spread);
                let frame = frame.clone();
                self.at(delay, Event::Deliver { to, frame });
            }
        }
    }

    /// A connection changes on every primary.
    fn change(&mut self) {
        if self.quiet {
            return;
        }
        for who in 0..self.members.len() {
            let key = connection(self.rng.below(self.options.keys) as u16);
            let ends = self.rng.happens(300_000);
            self.changes += 1;
            let changes = self.changes;
            let member = &mut self.members[who];
            if member.alive && member.node.role() == Role::Primary {
                member.change(key, changes, ends);
                self.run_member(who);
            }
        }
        let pause = self.rng.below(2 * self.options.change_ns);
        self.at(pause, Event::Change);
    }

    /// Something goes wrong, or somebody acts.
    fn fault(&mut self) {
        if self.quiet {
            return;
        }
        let who = self.rng.below(self.members.len() as u64) as usize;
        match self.rng.below(5) {
            0 => self.crash(who),
            1 => self.isolate(who),
            2 => self.takeover(),
            3 => self.demote(who),
            _ => self.promote(who),
        }
        let pause = self.rng.below(2 * self.options.fault_ns);
        self.at(pause, Event::Fault);
    }

    /// A node dies and comes back later, knowing nothing; another takes over.
    fn crash(&mut self, who: usize) {
        self.members[who].alive = false;
        let down = self.rng.below(5 * NS_PER_S);
        self.at(down, Event::Restart { who });
        self.at(NS_PER_S, Event::Takeover);
    }

    /// A node is cut off for some time; another takes over.
    fn isolate(&mut self, who: usize) {
        self.members[who].isolated = true;
        let cut = self.rng.below(8 * NS_PER_S);
        self.at(cut, Event::Reconnect { who });
        self.at(NS_PER_S, Event::Takeover);
    }

    /// A node starts; sometimes it is told to be primary at once.
    fn restart(&mut self, who: usize) {
        self.members[who] = self.member(who);
        if !self.quiet && self.rng.happens(200_000) {
            self.promote(who);
        }
        self.run_member(who);
    }

    /// Some node that can be reached is promoted, and the others are demoted.
    fn takeover(&mut self) {
        let able: Vec<_> = (0..self.members.len())
            .filter(|&who| self.members[who].alive && !self.members[who].isolated)
            .collect();
        if self.quiet || able.is_empty() {
            return;
        }
        let chosen = able[self.rng.below(able.len() as u64) as usize];
        able.iter().filter(|&&who| who != chosen).for_each(|&who| {
            self.demote(who);
        });
        self.promote(chosen);
    }

    /// A node is told to be primary.
    fn promote(&mut self, who: usize) {
        let now = self.now;
        let member = &mut self.members[who];
        if member.alive {
            member.node.promote(now, &member.stats);
            self.run_member(who);
        }
    }

    /// A node is told to be backup.
    fn demote(&mut self, who: usize) {
        let now = self.now;
        let member = &mut self.members[who];
        if member.alive {
            member.node.demote(now, &member.stats);
            member.walk.clear();
            member.dirty.clear();
            self.run_member(who);
        }
    }

    /// Puts everything right: all nodes up and connected, no loss, no changes, one primary.
    pub fn settle(&mut self) {
        self.quiet = true;
        for who in 0..self.members.len() {
            self.members[who].isolated = false;
            if !self.members[who].alive {
                self.restart(who);
            }
        }
        let leads = |member: &Member| member.node.role() == Role::Primary;
        let primaries: Vec<_> = (0..self.members.len())
            .filter(|&who| leads(&self.members[who]))
            .collect();
        match primaries.split_last() {
            None => self.promote(0),
            Some((_, rest)) => rest.iter().for_each(|&who| self.demote(who)),
        }
    }

    /// Why the tables are not equal, or a backup is not synced; `None` if all is well.
    pub fn difference(&self) -> Option<String> {
        let leads = |member: &&Member| member.node.role() == Role::Primary;
        let primary = self.members.iter().find(leads)?;
        let truth = primary.table.contents();
        for (who, member) in self.members.iter().enumerate() {
            let table = member.table.contents();
            if table != truth {
                let (has, lacks) = (table.len(), truth.len());
                return Some(format!("node {} has {has} entries of {lacks}", who + 1));
            }
            if !member.node.synced(self.now) {
                return Some(format!("node {} is not synced", who + 1));
            }
        }
        None
    }

    /// The sum of a counter over all nodes, since their last start.
    pub fn count(&self, counter: Counter) -> u64 {
        self.members.iter().map(|m| m.stats.value(counter)).sum()
    }
}

impl Member {
    /// Tells of a key, with what is true of it now.
    fn tell(&mut self, key: &Key, now: Time) {
        if !self.node.has_room() {
            self.dirty.push_front(*key);
            return;
        }
        match self.table.slots.get_mut(&id(key)) {
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
            return false;
        };
        if walk.restart {
            self.walk = self.table.slots.keys().copied().collect();
        }
        for _ in 0..walk.budget {
            if !self.node.has_room() {
                return true;
            }
            let Some(id) = self.walk.pop_front() else {
                self.node.handle_walk_end(now);
                return true;
            };
            if let Some(slot) = self.table.slots.get_mut(&id) {
                slot.replicated = true;
                slot.mark = walk.mark;
                self.node.handle_walked(&slot.entry, now, &self.stats);
            }
        }
        true
    }

    /// A connection of this primary begins, changes or ends.
    fn change(&mut self, key: Key, change: u32, ends: bool) {
        if ends {
            self.table.slots.remove(&id(&key));
        } else {
            let slot = self.table.slots.entry(id(&key)).or_insert(Slot {
                entry: fresh(key),
                mark: 0,
                replicated: false,
            });
            slot.entry.mark = change;
        }
        if !self.dirty.contains(&key) {
            self.dirty.push_back(key);
        }
    }
}

/// The key of the connection with a number.
fn connection(number: u16) -> Key {
    let mut key = Key {
        zone_dir: ZONE_DIR_BOTH,
        family: FAMILY_V4,
        protocol: 17,
        ..Key::default()
    };
    key.original.src[..4].copy_from_slice(&[10, 0, 0, 2]);
    key.original.dst[..4].copy_from_slice(&[198, 51, 100, 7]);
    key.original.src_port = number;
    key.original.dst_port = 53;
    key
}

/// A connection at its beginning.
fn fresh(key: Key) -> Entry {
    let original = key.original;
    Entry {
        key,
        reply: Endpoints {
            src: original.dst,
            dst: original.src,
            src_port: original.dst_port,
            dst_port: original.src_port,
        },
        status: Entry::SEEN_REPLY,
        ..Entry::default()
    }
}
