// SPDX-License-Identifier: GPL-2.0

//! The sender thread: keys become truths, truths become frames, frames are sent.
//!
//! It also does what takes its time after a change of role: timeouts, the end of the TCP grace.
//!
//! Context: a kthread of its own. It holds the mutex of the protocol for one round at a time, at
//! most [`ROUND_MAX`] keys, so that the receiver and a promotion never wait long.

use core::cell::Cell;

use kernel::prelude::*;
use kernel::sync::lock::{mutex::MutexBackend, Guard};
use kernel::sync::Arc;

use crate::conntrack::{Cursor, Found, WalkMode};
use crate::engine::{Engine, Pass};
use crate::kapi::thread::{self, Body, Stop};
use crate::notices;
use crate::proto::time::NS_PER_S;
use crate::proto::{Entry, Expectation, Extras, Key, Node, Role, Time, Truth};
use crate::queue::Consumer;
use crate::stats::Counter;

/// Keys looked up in one round.
const ROUND_MAX: usize = 256;
/// Keys that are told of anew in one round: on a link that hardly moves each frame takes its time.
const REPAIRS_MAX: usize = 64;
/// Entries that a walk reads at once: what one round of a walk may take.
const WALK_MAX: usize = 64;
/// Longest sleep, in nanoseconds.
const SLEEP_MAX_NS: u64 = NS_PER_S;

/// Period of walks while there are entries that report no changes, in nanoseconds: those that are
/// older than the module, or whose events a rule restricts. The kernel offers no other way.
const MUTE_WALK_NS: u64 = 300 * NS_PER_S;

type NodeGuard<'a> = Guard<'a, KBox<Node>, MutexBackend>;

/// What the sender thread works with.
pub(crate) struct Sender {
    engine: Arc<Engine>,
    consumer: Consumer,
    entries: KVec<Entry>,
    walk: Cursor,
    /// Where a scan for dirty entries stands, if one runs.
    scan: Option<Cursor>,
    /// The queue to look into first.
    first: usize,
    /// Whether the interface took nothing in this round: what is still sent in it does not wait.
    stuck: Cell<bool>,
    /// Whether the walk that runs has met an entry that reports no changes.
    mute: bool,
    /// When to walk again for the sake of such entries.
    mute_walk: Option<Time>,
}

impl Body for Sender {
    fn run(&mut self, stop: &Stop) {
        while !stop.should_stop() {
            self.run_pass();
            while self.round() && !stop.should_stop() {
                self.run_pass();
            }
            let sleep_ns = self.sleep_ns();
            self.engine.signal.wait(stop, sleep_ns);
        }
    }
}

impl Sender {
    /// A sender that has sent nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(engine: Arc<Engine>) -> Result<KBox<Self>> {
        let entries = KVec::from_elem(Entry::default(), WALK_MAX, GFP_KERNEL)?;
        let sender = Self {
            engine,
            consumer: Consumer::new(),
            entries,
            walk: Cursor::default(),
            scan: None,
            first: 0,
            stuck: Cell::new(false),
            mute: false,
            mute_walk: None,
        };
        Ok(KBox::new(sender, GFP_KERNEL)?)
    }

    /// How long there is nothing to do, in nanoseconds.
    fn sleep_ns(&self) -> u64 {
        let now = thread::now();
        // Under the mutex until the time is stored: the receiver compares with it (`wake_for`).
        let node = self.engine.node.lock();
        let engine = &self.engine;
        let dues = [
            node.poll_timeout(),
            engine.grace_end(),
            engine.masquerades_due(),
            self.mute_walk,
        ];
        let wake = dues
            .into_iter()
            .flatten()
            .fold(now.after(SLEEP_MAX_NS), |a, b| a.min(b));
        self.engine.set_sender_wakes(wake);
        wake.since(now)
    }

    /// Does what a change of role, or the end of the TCP grace, asks for.
    fn run_pass(&self) {
        match self.engine.take_pass() {
            Pass::None => {}
            Pass::Pin => self.engine.table.pin_all(),
            Pass::Unpin => self.engine.table.unpin_all(),
        }
        if self.engine.take_settle(thread::now()) {
            let ended = self.engine.table.settle_masquerades();
            let counter = Counter::MasqueradesEnded;
            self.engine.stats.add(counter, u64::from(ended));
        }
        let Some(end) = self.engine.grace_end() else {
            return;
        };
        if end <= thread::now()
            && self.engine.clear_grace(end)
            && self.engine.table.end_grace_all() > 0
        {
            self.engine.extend_grace(thread::now());
        }
    }

    /// Takes what waits, up to the limit of a round, and sends what is due. Returns whether more
    /// waits.
    fn round(&mut self) -> bool {
        let engine = self.engine.clone();
        self.stuck.set(false);
        let mut node = engine.node.lock();
        node.set_table_size(engine.table.count(), engine.table.max());
        let more = match node.role() {
            Role::Primary => {
                self.watch(&mut node);
                let queued = self.drain(&mut node);
                let repaired = self.repair(&mut node);
                let scanned = self.run_scan(&mut node);
                let walked = self.run_walk(&mut node);
                queued || repaired || scanned || walked
            }
            Role::Backup => {
                if engine.take_loss() {
                    node.note_loss(thread::now());
                }
                self.discard()
            }
        };
        self.transmit(&mut node);
        let notices = node.take_notices();
        drop(node);
        notices::write(notices);
        more
    }

    /// Looks for what events do not tell.
    fn watch(&mut self, node: &mut NodeGuard<'_>) {
        if self.engine.take_lost_address(thread::now()) {
            node.request_walk(&self.engine.stats);
        }
        if self.mute_walk.is_some_and(|at| at <= thread::now()) {
            self.mute_walk = None;
            node.request_walk(&self.engine.stats);
        }
    }

    /// Takes a key that waits, from each CPU's queue in turn.
    fn pop(&mut self) -> Option<Key> {
        self.first = (self.first + 1) % self.engine.queues().max(1);
        self.engine.pop(&mut self.consumer, self.first)
    }

    /// Sends the truth about keys that wait.
    fn drain(&mut self, node: &mut NodeGuard<'_>) -> bool {
        for _ in 0..ROUND_MAX {
            let Some(key) = self.pop() else {
                return false;
            };
            self.tell(node, key);
        }
        true
    }

    /// A backup sends no truths: what waits is from before its demotion.
    fn discard(&mut self) -> bool {
        for _ in 0..ROUND_MAX {
            if self.pop().is_none() {
                return false;
            }
        }
        true
    }

    /// Looks a key up and tells what is true now.
    fn tell(&self, node: &mut NodeGuard<'_>, mut key: Key) {
        let ended = key.hints & Key::DESTROYED != 0;
        key.hints = 0;
        let mut entry = Entry::default();
        let found = (self.engine.table).snapshot(&key, self.engine.filter(), &mut entry);
        let truth = match found {
            Found::Present => return self.tell_live(node, &entry),
            Found::Withdrawn => Truth::Absent(&key),
            // Also when a connection that is not replicated has the tuple by now.
            Found::Absent | Found::Local | Found::Unmarked if ended => Truth::Absent(&key),
            // It ended before it was sent, or its end is queued behind.
            Found::Absent => return,
            Found::Local => return self.engine.stats.count(Counter::EventsSkippedLocal),
            Found::Unmarked => return self.engine.stats.count(Counter::EventsSkippedMark),
        };
        self.tell_truth(node, truth);
    }

    /// Tells anew of what backups have lost.
    fn repair(&self, node: &mut NodeGuard<'_>) -> bool {
        for _ in 0..REPAIRS_MAX {
            self.make_room(node);
            let Some(key) = node.poll_repair(thread::now(), &self.engine.stats) else {
                return false;
            };
            let mut entry = Entry::default();
            match (self.engine.table).snapshot(&key, self.engine.filter(), &mut entry) {
                Found::Present => self.tell_present(node, &entry),
                // What is not replicated is not there for the backups.
                _ => self.tell_truth(node, Truth::Absent(&key)),
            }
        }
        true
    }

    /// Tells of a connection that is there, and of what it expects.
    fn tell_present(&self, node: &mut NodeGuard<'_>, entry: &Entry) {
        self.tell_truth(node, Truth::Present(entry));
        self.tell_expectations(node, entry);
    }

    /// The same of one that an event or a scan has brought.
    fn tell_live(&self, node: &mut NodeGuard<'_>, entry: &Entry) {
        if entry.has & (Entry::WITHDRAWN | Entry::KNOWN) == 0 {
            self.tell_master(node, entry, Self::tell_present);
        }
        self.tell_truth(node, live(entry));
        if entry.has & Entry::WITHDRAWN == 0 {
            self.tell_expectations(node, entry);
        }
    }

    /// Has `tell` tell of the connection that has announced this one, if it is still there: a copy
    /// is tied to that of its master when it is made.
    fn tell_master(
        &self,
        node: &mut NodeGuard<'_>,
        entry: &Entry,
        tell: impl FnOnce(&Self, &mut NodeGuard<'_>, &Entry),
    ) {
        let relations = &entry.relations;
        if relations.master_protocol == 0 {
            return;
        }
        let key = Key {
            original: relations.master,
            protocol: relations.master_protocol,
            ..entry.key
        };
        let mut master = Entry::default();
        let found = (self.engine.table).snapshot(&key, self.engine.filter(), &mut master);
        if matches!(found, Found::Present) {
            tell(self, node, &master);
        }
    }

    /// Tells of what a connection expects, which was told of just now.
    fn tell_expectations(&self, node: &mut NodeGuard<'_>, entry: &Entry) {
        let relations = &entry.relations;
        let left_out = u64::from(relations.expectations_left_out);
        self.engine
            .stats
            .add(Counter::ExpectationsNotSent, left_out);
        for index in 0..relations.expectations {
            // If there are fewer by now, an event has told so.
            let Some(expectation) = self.engine.table.expectation(&entry.key, index) else {
                return;
            };
            let expectation = Expectation {
                index,
                count: relations.expectations,
                ..expectation
            };
            self.make_room(node);
            node.handle_expectation(&entry.key, &expectation, thread::now(), &self.engine.stats);
        }
    }

    fn tell_truth(&self, node: &mut NodeGuard<'_>, truth: Truth<'_>) {
        match truth {
            Truth::Present(entry) | Truth::Changed(entry) => self.make_room_for(node, entry),
            Truth::Absent(_) => self.make_room(node),
        }
        node.handle_truth(truth, thread::now(), &self.engine.stats);
    }

    /// Goes on with the scan for entries whose key found its ring full.
    fn run_scan(&mut self, node: &mut NodeGuard<'_>) -> bool {
        if self.scan.is_none() && self.engine.take_scan() {
            self.engine.stats.count(Counter::ScanRuns);
            self.scan = Some(Cursor::default());
        }
        let Some(cursor) = &mut self.scan else {
            return false;
        };
        let walked = self.engine.table.walk(
            cursor,
            WalkMode::Dirty,
            self.engine.filter(),
            &mut self.entries,
        );
        if walked.done {
            self.scan = None;
        }
        for entry in self.entries.iter().take(walked.count) {
            self.tell_live(node, entry);
        }
        true
    }

    /// Goes on with the walk of a full resync, as fast as the protocol allows.
    fn run_walk(&mut self, node: &mut NodeGuard<'_>) -> bool {
        let now = thread::now();
        let Some(walk) = node.poll_walk(now, &self.engine.stats) else {
            return false;
        };
        if walk.restart {
            self.walk = Cursor::default();
            self.mute = false;
        }
        let budget = walk.budget.min(self.entries.len());
        let walked = self.engine.table.walk(
            &mut self.walk,
            WalkMode::Unmarked(walk.mark),
            self.engine.filter(),
            self.entries.get_mut(..budget).unwrap_or_default(),
        );
        for entry in self.entries.iter().take(walked.count) {
            // What an event waits for is no find of the walk's.
            if entry.has & Entry::WITHDRAWN != 0 {
                self.tell_truth(node, Truth::Absent(&entry.key));
            } else {
                self.tell_master(node, entry, Self::tell_walked);
                self.tell_walked(node, entry);
            }
        }
        self.mute |= walked.mute;
        if walked.done {
            node.handle_walk_end(now);
            self.mute_walk = self.mute_walk_at(node.config().scrub_interval, now);
        }
        true
    }

    /// When to walk again because of entries that report no changes: a scrub that comes as often
    /// does it as well.
    fn mute_walk_at(&self, scrub_interval: u64, now: Time) -> Option<Time> {
        let scrubbed = scrub_interval != 0 && scrub_interval <= MUTE_WALK_NS;
        (self.mute && !scrubbed).then(|| now.after(MUTE_WALK_NS))
    }

    /// Tells of an entry that a walk has found.
    fn tell_walked(&self, node: &mut NodeGuard<'_>, entry: &Entry) {
        if entry.has & Entry::DIRTY != 0 {
            // A walk leaves nothing out.
            return self.tell_present(node, entry);
        }
        self.make_room_for(node, entry);
        node.handle_walked(entry, thread::now(), &self.engine.stats);
        self.tell_expectations(node, entry);
    }

    /// Sends until the protocol takes another record: of an absence or an expectation.
    fn make_room(&self, node: &mut NodeGuard<'_>) {
        if !node.has_room_for_absence() {
            self.transmit(node);
        }
    }

    /// Sends until the protocol takes a record of this entry.
    fn make_room_for(&self, node: &mut NodeGuard<'_>, entry: &Entry) {
        if entry.extras.has & Extras::LOST_SECMARK != 0 {
            self.engine.stats.count(Counter::SecmarksUnsent);
        }
        if !node.has_room_for(entry) {
            self.transmit(node);
        }
    }

    /// Sends every frame that is due. One that the interface does not take is told again from the
    /// backlog or by a resync, as any that is lost: nobody who needs the mutex waits for it longer
    /// than once a round.
    fn transmit(&self, node: &mut NodeGuard<'_>) {
        while let Some(frame) = node.poll_transmit(thread::now(), &self.engine.stats) {
            if !self.engine.send(frame, !self.stuck.get()) {
                self.stuck.set(true);
            }
        }
    }
}

/// What a live record says of an entry that was read: to peers that know it, what has changed.
fn live(entry: &Entry) -> Truth<'_> {
    if entry.has & Entry::WITHDRAWN != 0 {
        Truth::Absent(&entry.key)
    } else if entry.has & Entry::KNOWN != 0 {
        Truth::Changed(entry)
    } else {
        Truth::Present(entry)
    }
}
