// SPDX-License-Identifier: GPL-2.0

//! The cluster: nodes, the network between them, and what happens to them.

use super::agenda::Agenda;
use super::member::Member;
use super::network::Network;
use super::options::Options;
use super::rng::Rng;
use crate::proto::entry::{FAMILY_V4, ZONE_DIR_BOTH};
use crate::proto::time::NS_PER_S;
use crate::proto::{Key, Role, Stream, Time};
use crate::stats::Counter;
use std::rc::Rc;

/// Longest that a node does not look at its clock; a bug that asks for less would spin.
const TICK_NS: u64 = 100_000;
/// Frames that a node which stands still is given later; the rest overflows its socket.
const INBOX_MAX: usize = 50;
/// For so long a node that stood still may take old frames, which waited in its socket, for signs
/// of life.
const STALE_NS: u64 = 3 * NS_PER_S;

/// What happens at a moment.
enum Event {
    Deliver { to: usize, frame: Rc<[u8]> },
    Change,
    Fault,
    Restart { who: usize },
    Thaw { who: usize },
    Takeover,
}

/// A cluster.
pub struct Cluster {
    options: Options,
    rng: Rng,
    now: Time,
    members: Vec<Member>,
    network: Network,
    agenda: Agenda<Event>,
    /// When each node wants to do something by itself; the end of all time while it is away.
    wakes: Vec<Time>,
    /// Changes so far: the connmark of the last.
    changes: u32,
    lives: u32,
    changing: bool,
    faulty: bool,
    frames: u64,
    bytes: u64,
    /// Counters of lives that are over.
    past: Vec<u64>,
    out: Vec<Rc<[u8]>>,
}

impl Cluster {
    /// A cluster whose first node is primary.
    pub fn new(seed: u64, options: Options) -> Self {
        let mut cluster = Self {
            options,
            rng: Rng::new(seed),
            now: Time(NS_PER_S),
            members: Vec::new(),
            network: Network::new(options.nodes),
            agenda: Agenda::new(),
            wakes: vec![Time(u64::MAX); options.nodes],
            changes: 0,
            lives: 0,
            changing: false,
            faulty: true,
            frames: 0,
            bytes: 0,
            past: vec![0; Counter::ALL.len()],
            out: Vec::new(),
        };
        for who in 0..options.nodes {
            let member = cluster.member(who);
            cluster.members.push(member);
            cluster.run_member(who);
        }
        cluster.promote(0);
        cluster.set_changing(true);
        if options.fault_ns != 0 {
            cluster.at(options.fault_ns, Event::Fault);
        }
        cluster
    }

    /// A node at its start.
    fn member(&mut self, who: usize) -> Member {
        self.lives += 1;
        Member::new(who, self.lives, &self.options, &mut self.rng)
    }

    /// Plans an event.
    fn at(&mut self, delay_ns: u64, event: Event) {
        self.agenda.plan(self.now, self.now.after(delay_ns), event);
    }

    /// Runs for some time.
    pub fn run(&mut self, ns: u64) {
        let end = self.now.after(ns);
        loop {
            let (who, wake) = self.next_wake();
            if let Some((time, event)) = self.agenda.take_by(wake.min(end)) {
                self.now = time;
                self.happen(event);
            } else if wake <= end {
                self.now = wake;
                self.wakes[who] = Time(u64::MAX);
                self.run_member(who);
            } else {
                break;
            }
        }
        self.now = end;
    }

    /// The node that wants to do something first, and when.
    fn next_wake(&self) -> (usize, Time) {
        let mut next = (0, Time(u64::MAX));
        for (who, &wake) in self.wakes.iter().enumerate() {
            if wake < next.1 {
                next = (who, wake);
            }
        }
        next
    }

    /// Lets an event happen.
    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { to, frame } => self.deliver(to, frame),
            Event::Change => self.change(),
            Event::Fault => self.fault(),
            Event::Restart { who } => self.restart(who),
            Event::Thaw { who } => self.thaw(who),
            Event::Takeover => self.takeover(),
        }
    }

    /// A node is given a frame.
    fn deliver(&mut self, to: usize, frame: Rc<[u8]>) {
        let member = &mut self.members[to];
        if member.runs() {
            member.receive(&frame, self.now);
            self.wake_for(to);
        } else if member.alive && member.inbox.len() < INBOX_MAX {
            member.inbox.push(frame);
        }
    }

    /// A node that was given a frame does what that makes due, as the receiver of the module wakes
    /// its sender.
    fn wake_for(&mut self, who: usize) {
        match self.members[who].wakes_in(self.now) {
            0 => self.run_member(who),
            delay => {
                let wake = self.now.after(delay.max(TICK_NS));
                self.wakes[who] = self.wakes[who].min(wake);
            }
        }
    }

    /// A node does what is due, and says when it is to be called again.
    fn run_member(&mut self, who: usize) {
        let now = self.now;
        let mut out = std::mem::take(&mut self.out);
        let member = &mut self.members[who];
        if member.runs() {
            member.run(now, &mut out);
            let delay = member.wakes_in(now).max(TICK_NS);
            self.wakes[who] = now.after(delay);
        }
        for frame in out.drain(..) {
            self.send(who, &frame);
        }
        self.out = out;
    }

    /// A frame goes to all others.
    fn send(&mut self, from: usize, frame: &Rc<[u8]>) {
        self.frames += 1;
        self.bytes += frame.len() as u64;
        for to in (0..self.members.len()).filter(|&to| to != from) {
            let (now, options) = (self.now, self.options);
            let copies = self
                .network
                .carry((from, to), frame, now, &options, &mut self.rng);
            for (delay, frame) in copies.into_iter().flatten() {
                self.at(delay, Event::Deliver { to, frame });
            }
        }
    }

    /// Lets connections change, or not.
    pub fn set_changing(&mut self, changing: bool) {
        if changing && !self.changing {
            self.at(self.options.change_ns, Event::Change);
        }
        self.changing = changing;
    }

    /// A connection changes on every primary.
    fn change(&mut self) {
        if !self.changing {
            return;
        }
        for who in 0..self.members.len() {
            let key = connection(self.rng.below(self.options.keys) as u16);
            let ends = self.rng.happens(300_000);
            self.changes += 1;
            let changes = self.changes;
            let member = &mut self.members[who];
            if member.runs() && member.leads() {
                member.change(key, changes, ends);
                self.run_member(who);
            }
        }
        let pause = self.rng.below(2 * self.options.change_ns);
        self.at(pause, Event::Change);
    }

    /// Something goes wrong, or somebody acts.
    fn fault(&mut self) {
        if !self.faulty {
            return;
        }
        let nodes = self.members.len() as u64;
        let (who, other) = (
            self.rng.below(nodes) as usize,
            self.rng.below(nodes) as usize,
        );
        match self.rng.below(9) {
            0 => self.crash(who),
            1 => self.isolate(who),
            2 => self.takeover(),
            3 => self.demote(who),
            4 => self.promote(who),
            5 => self.freeze(who),
            6 => self.cut(who, other),
            7 => self.lose(who),
            _ => self.request_resync(who),
        }
        let pause = self.rng.below(2 * self.options.fault_ns);
        self.at(pause, Event::Fault);
    }

    /// A node dies and comes back later, knowing nothing; mostly another takes over.
    fn crash(&mut self, who: usize) {
        if self.members[who].alive {
            self.members[who].alive = false;
            let down = self.rng.below(5 * NS_PER_S);
            self.at(down, Event::Restart { who });
            self.maybe_takeover();
        }
    }

    /// A node is cut off for some time.
    fn isolate(&mut self, who: usize) {
        let until = self.now.after(self.rng.below(8 * NS_PER_S));
        self.network.isolate(who, until);
        self.maybe_takeover();
    }

    /// A connection vanishes from a backup's table; where its number is odd, for another that is
    /// kept.
    fn lose(&mut self, who: usize) {
        let number = self.rng.below(self.options.keys) as u16;
        let key = connection(number);
        if self.members[who].runs() && !self.members[who].leads() {
            match number % 2 {
                0 => self.members[who].lose(&key, self.now),
                _ => self.members[who].take(&key, self.now),
            }
            self.run_member(who);
        }
    }

    /// One direction of one link is cut.
    fn cut(&mut self, from: usize, to: usize) {
        let until = self.now.after(self.rng.below(8 * NS_PER_S));
        self.network.cut(from, to, until);
        self.maybe_takeover();
    }

    /// A node stands still for some time, as a machine that is suspended.
    fn freeze(&mut self, who: usize) {
        let time = self.rng.below(6 * NS_PER_S);
        if self.members[who].runs() {
            self.members[who].frozen = Some(self.now.after(time));
            self.at(time, Event::Thaw { who });
            self.maybe_takeover();
        }
    }

    /// A node goes on where it stood.
    fn thaw(&mut self, who: usize) {
        let now = self.now;
        let member = &mut self.members[who];
        if member.frozen.is_none_or(|until| until > now) {
            return;
        }
        member.frozen = None;
        member.thawed = Some(now);
        for frame in std::mem::take(&mut member.inbox) {
            self.deliver(who, frame);
        }
        self.run_member(who);
    }

    /// Somebody may notice that a node is away.
    fn maybe_takeover(&mut self) {
        if self.rng.happens(500_000) {
            self.at(NS_PER_S, Event::Takeover);
        }
    }

    /// A node starts; sometimes it is told to be primary at once.
    fn restart(&mut self, who: usize) {
        if self.members[who].alive {
            return;
        }
        for (sum, &counter) in self.past.iter_mut().zip(Counter::ALL) {
            *sum += self.members[who].stats.value(counter);
        }
        self.members[who] = self.member(who);
        if self.faulty && self.rng.happens(200_000) {
            self.promote(who);
        }
        self.run_member(who);
    }

    /// Some node is promoted; most of the others are demoted.
    fn takeover(&mut self) {
        let able: Vec<_> = (0..self.members.len())
            .filter(|&who| self.members[who].runs())
            .collect();
        if !self.faulty || able.is_empty() {
            return;
        }
        let chosen = *self.rng.of(&able);
        for who in able {
            if who != chosen && !self.rng.happens(100_000) {
                self.demote(who);
            }
        }
        self.promote(chosen);
    }

    /// A node is told to be primary.
    pub fn promote(&mut self, who: usize) {
        if self.members[who].runs() {
            self.members[who].promote(self.now);
            self.run_member(who);
        }
    }

    /// A node is told to be backup.
    fn demote(&mut self, who: usize) {
        if self.members[who].runs() {
            self.members[who].demote(self.now);
            self.run_member(who);
        }
    }

    /// Somebody writes `resync`.
    pub fn request_resync(&mut self, who: usize) {
        let member = &mut self.members[who];
        if member.runs() {
            member.node.request_walk(&member.stats);
            self.run_member(who);
        }
    }

    /// Puts everything right: all nodes up and connected, no loss, no changes, one primary.
    pub fn settle(&mut self) {
        self.faulty = false;
        self.set_changing(false);
        self.network.mend();
        for who in 0..self.members.len() {
            self.restart(who);
            self.members[who].give_back();
            self.members[who].frozen = self.members[who].frozen.map(|_| Time::ZERO);
            self.thaw(who);
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
        let primary = self.members.iter().find(|member| member.leads())?;
        for (who, member) in self.members.iter().enumerate() {
            if let Some(difference) = primary.table.difference(&member.table) {
                return Some(format!("node {}: {difference}", who + 1));
            }
            if !member.synced(self.now) {
                return Some(format!("node {} is not synced", who + 1));
            }
        }
        None
    }

    /// A backup that says that it has everything and has not, some time after the last change.
    pub fn false_sync(&self) -> Option<String> {
        for (who, member) in self.members.iter().enumerate() {
            if !member.runs() || member.leads() || !member.synced(self.now) {
                continue;
            }
            if member
                .thawed
                .is_some_and(|at| self.now.since(at) < STALE_NS)
            {
                continue;
            }
            let Some(primary) = self.primary_of(member.node.following()) else {
                // It may have been demoted or have died within the last three seconds.
                continue;
            };
            if let Some(difference) = primary.table.difference(&member.table) {
                return Some(format!("node {} says it is synced: {difference}", who + 1));
            }
        }
        None
    }

    /// The primary whose stream that is.
    fn primary_of(&self, stream: Stream) -> Option<&Member> {
        let mut leaders = self.members.iter().filter(|member| member.leads());
        leaders.find(|member| member.node.following() == stream)
    }

    /// The sum of a counter over all nodes and their lives.
    pub fn count(&self, counter: Counter) -> u64 {
        let now: u64 = self.members.iter().map(|m| m.stats.value(counter)).sum();
        now + self.past[counter as usize]
    }

    /// Frames and bytes that were sent by all nodes.
    pub fn traffic(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.members.len()
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
