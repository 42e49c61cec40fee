// SPDX-License-Identifier: GPL-2.0

//! One node of a cluster: its state, its roles, and what the rest of the module calls.
//!
//! Runs under the caller's lock, in any context. What a node sends is in `transmit.rs`, what it
//! does with frames in `dispatch.rs`.

use super::backlog::{backlog_bytes, Backlog, BacklogFrame};
use super::entry::{Entry, Key};
use super::expectation::Expectation;
use super::frame::FrameBuilder;
use super::notices::{Notice, Notices};
use super::peers::{Peer, Peers};
use super::receiver::Receiver;
use super::scrub::{Suspect, Suspects, SUSPECTS_MAX};
use super::stream::{Role, Stream};
use super::time::{Time, NS_PER_MS};
use super::walker::Walker;
use super::wire::control::CONTROL_MAX;
use super::wire::header::HEADER_LEN;
use crate::buffer::{self, Buffer};
use crate::stats::{Counter, Stats};

/// A node that was not heard for this many heartbeats is taken to be gone: two may be lost.
const FRESH_HEARTBEATS: u64 = 3;
/// Shortest period of heartbeats, so that a wrong setting does not keep the sender busy.
const HEARTBEAT_MIN_NS: u64 = 10 * NS_PER_MS;

/// Marks that a backup takes without a sweep before it has all stamps taken off: with the few that
/// a primary takes before a walk is complete there are always some that no entry bears.
const MARKS_MAX: u8 = 200;

/// Frames that a walk may be ahead of what a backup has said that it has: what is live waits behind
/// so many in the backup's socket. The backup says it for each of [`REPORT_FRAMES`].
pub(super) const WALK_AHEAD_MAX: u64 = 16;
/// Frames after which a backup says how far it is, while a resync is running.
pub(super) const REPORT_FRAMES: u32 = 4;
/// A resync of which so many frames say nothing is over, though its END has not come.
pub(super) const SILENT_FRAMES_MAX: u32 = 256;

/// What a node is told about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Frames of other clusters are ignored.
    pub cluster_id: u32,
    /// Name of the node in the cluster.
    pub node_id: u32,
    /// Random at each start, so that a restarted node starts a new stream.
    pub incarnation: u32,
    /// Most bytes of UDP payload; at least [`FRAME_MIN`](super::frame::FRAME_MIN).
    pub frame_max: usize,
    /// Longest time that a record waits for others, in nanoseconds.
    pub flush: u64,
    /// Period of heartbeats in nanoseconds; the same on all nodes.
    pub heartbeat: u64,
    /// Records of a resync per second, 0 is unlimited.
    pub resync_rate: u32,
    /// Time in which a scrub goes through the whole table, in nanoseconds; 0 is no scrub.
    pub scrub_interval: u64,
}

impl Config {
    /// Silence after which a node is taken to be gone, in nanoseconds.
    pub(super) fn fresh_ns(&self) -> u64 {
        self.heartbeat_ns().saturating_mul(FRESH_HEARTBEATS)
    }

    /// Period of heartbeats in nanoseconds.
    pub(super) fn heartbeat_ns(&self) -> u64 {
        self.heartbeat.max(HEARTBEAT_MIN_NS)
    }

    /// Whether `other` is the same node in the same life and cluster.
    fn same_node(&self, other: &Config) -> bool {
        (self.cluster_id, self.node_id, self.incarnation)
            == (other.cluster_id, other.node_id, other.incarnation)
    }
}

/// The memory of a node, for all that would not go well on a stack.
pub struct Storage {
    frame: Buffer<u8>,
    /// Room for a frame that is not numbered.
    control: Buffer<u8>,
    suspects: Buffer<Suspect>,
    peers: Buffer<Peer>,
    backlog: Buffer<BacklogFrame>,
    /// [`backlog_bytes`] for each frame of the backlog.
    backlog_bytes: Buffer<u8>,
}

impl Storage {
    /// Makes room for frames of [`Config::frame_max`] bytes, for as many other nodes
    /// ([`PEERS_MAX`](super::PEERS_MAX) or fewer) and frames that can be repaired (any number, also
    /// none).
    ///
    /// # Errors
    ///
    /// That of [`Buffer::from_fn`].
    pub fn new(frame_max: usize, peers: usize, backlog: usize) -> Result<Self, buffer::Error> {
        Ok(Self {
            frame: Buffer::from_fn(frame_max, || 0)?,
            control: Buffer::from_fn(HEADER_LEN + CONTROL_MAX, || 0)?,
            suspects: Buffer::from_fn(SUSPECTS_MAX, Suspect::default)?,
            peers: Buffer::from_fn(peers, Peer::default)?,
            backlog: Buffer::from_fn(backlog, BacklogFrame::default)?,
            backlog_bytes: Buffer::from_fn(backlog * backlog_bytes(frame_max), || 0)?,
        })
    }
}

/// What is true of a key at the moment.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// The connection is there, like this: all of it is told.
    Present(&'a Entry),
    /// The same, and peers have been told of it before: what never changes is left out. Not for
    /// walks and repairs.
    Changed(&'a Entry),
    /// There is no such connection, or it is dying.
    Absent(&'a Key),
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// A connection was created.
    Inserted,
    /// A replicated connection was updated: it was different before.
    Updated,
    /// A replicated connection was as the record says.
    Unchanged,
    /// A connection was deleted.
    Deleted,
    /// There was nothing to delete.
    Absent,
    /// There was nothing to update.
    Incomplete,
    /// A connection of this node's own making gave way.
    ReplacedLocal,
    /// An assured connection of this node's own making is in the way.
    Conflict,
    /// The flow ends on this node, which tracks it by itself.
    Own,
    /// The conntrack table is full.
    TableFull,
    /// Out of memory.
    NoMemory,
    /// The kernel does not track the protocol.
    UnsupportedProtocol,
    /// NAT gave another translation.
    NatDiverged,
    /// Another entry with one of its tuples was on its way out or in, or the table is too dense.
    Busy,
    /// Refused for another reason.
    Refused,
}

impl Applied {
    /// Where it is counted.
    pub(super) fn counter(self) -> Counter {
        match self {
            Applied::Inserted => Counter::EntriesInserted,
            Applied::Updated => Counter::EntriesUpdated,
            Applied::Unchanged => Counter::EntriesUnchanged,
            Applied::Deleted => Counter::EntriesDeleted,
            Applied::Absent => Counter::EntriesDeleteAbsent,
            Applied::Incomplete => Counter::RecordsIncomplete,
            Applied::ReplacedLocal => Counter::EntriesReplacedLocal,
            Applied::Conflict => Counter::EntriesConflict,
            Applied::Own => Counter::EntriesOwn,
            Applied::TableFull => Counter::EntriesTableFull,
            Applied::NoMemory => Counter::EntriesNoMemory,
            Applied::UnsupportedProtocol => Counter::EntriesUnsupportedProtocol,
            Applied::NatDiverged => Counter::EntriesNatDiverged,
            Applied::Busy => Counter::EntriesBusy,
            Applied::Refused => Counter::EntriesRefused,
        }
    }
}

/// What became of a record about an expectation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It is waited for now.
    Added,
    /// It was waited for already.
    Known,
    /// It is not: its master, its helper or its function is not there, or the kernel has refused.
    Refused,
}

/// The table that records are applied to.
///
/// An entry counts as replicated when it was made by [`Table::upsert`], and also when this node
/// has told of it as primary: otherwise a node that was demoted would keep what it made itself,
/// whatever the new primary says.
pub trait Table {
    /// Makes the table hold `entry`, stamped with `mark`.
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied;
    /// Makes the replicated entry with the key of `entry` be like that, but for its reply, which
    /// stays. [`Applied::Incomplete`] if there is none, or one that is of another connection.
    fn update(&mut self, entry: &Entry, mark: u8) -> Applied;
    /// Has the connection `master` expect another one, and with the last one of a list none else.
    fn expect(&mut self, master: &Key, expectation: &Expectation) -> Expected;
    /// Makes the table not hold `key`.
    fn delete(&mut self, key: &Key) -> Applied;
    /// Deletes every replicated entry that is not stamped with `mark`; returns how many.
    fn sweep(&mut self, mark: u8) -> u32;
    /// Takes the stamps off all entries.
    fn forget_marks(&mut self);
}

/// One node.
pub struct Node {
    pub(super) config: Config,
    pub(super) role: Role,
    /// The node's own stream, as primary now or the last time.
    pub(super) stream: Stream,
    /// Last number used in it.
    pub(super) seq: u64,
    /// Highest epoch that anybody has claimed.
    pub(super) epoch_seen: u64,
    /// Stamp of the latest resync, sent or received, 1 to 255; 0 is left to entries without one.
    pub(super) mark: u8,
    /// Marks that entries may bear.
    pub(super) marks_used: u8,
    /// Whether the walk that runs does not get far ahead of the backups: it began as a resync.
    pub(super) walk_paced: bool,
    /// When it goes on although backups are behind, if it waits for them.
    pub(super) walk_held: Option<Time>,
    /// Frames that a backup takes yet before it forgets that a resync is running; 0 if none is.
    pub(super) resync_frames: u32,
    /// Whether a scrub is running, in which the primary does not wait.
    pub(super) in_scrub: bool,
    /// Frames taken since the last heartbeat.
    pub(super) unreported: u32,
    /// Whether the caller is yet to be told to start a walk.
    pub(super) walk_restart: bool,
    pub(super) frame: FrameBuilder,
    /// Whether a record in it was not a walk's.
    pub(super) frame_live: bool,
    pub(super) backlog: Backlog,
    /// Frames that are not numbered.
    pub(super) control: Buffer<u8>,
    pub(super) walker: Walker,
    pub(super) receiver: Receiver,
    pub(super) suspects: Suspects,
    pub(super) peers: Peers,
    pub(super) heartbeat_at: Time,
    /// When a heartbeat is due because data frames have ceased, and how long that took.
    pub(super) tail: Option<(Time, u64)>,
    /// Whether a data frame was sent since the node was last idle.
    pub(super) busy: bool,
    /// What was last said about being synced.
    pub(super) was_synced: bool,
    pub(super) table_count: u32,
    pub(super) table_max: u32,
    pub(super) notices: Notices,
}

// It lives in the heap, but it is built on a stack.
const _: () = assert!(core::mem::size_of::<Node>() < 2048);

impl Node {
    /// Makes a backup that knows nobody.
    pub fn new(config: Config, storage: Storage) -> Self {
        Self {
            role: Role::Backup,
            stream: Stream::NONE,
            seq: 0,
            epoch_seen: 0,
            mark: 1,
            marks_used: 1,
            walk_paced: false,
            walk_held: None,
            resync_frames: 0,
            in_scrub: false,
            unreported: 0,
            walk_restart: false,
            frame: FrameBuilder::new(storage.frame, config.frame_max),
            frame_live: false,
            backlog: Backlog::new(storage.backlog, storage.backlog_bytes),
            control: storage.control,
            walker: Walker::new(config.resync_rate, config.scrub_interval),
            receiver: Receiver::new(config.node_id),
            suspects: Suspects::new(storage.suspects),
            peers: Peers::new(storage.peers),
            heartbeat_at: Time::ZERO,
            tail: None,
            busy: false,
            was_synced: false,
            table_count: 0,
            table_max: 0,
            notices: Notices::default(),
            config,
        }
    }

    /// Changes the settings. Another id, life or cluster means to start again under that name, in
    /// the same role and epoch.
    pub fn reconfigure(&mut self, config: Config) {
        let same = self.config.same_node(&config);
        self.config = config;
        self.frame.set_limit(config.frame_max);
        self.walker
            .configure(config.resync_rate, config.scrub_interval);
        if same {
            return;
        }
        self.peers.clear();
        self.receiver = Receiver::new(config.node_id);
        self.heartbeat_at = Time::ZERO;
        if self.role == Role::Primary {
            self.start_stream(self.stream.epoch, &Stats::new());
        }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A primary's own epoch, or the highest that a backup knows of. 0: none yet.
    pub fn epoch(&self) -> u64 {
        match self.role {
            Role::Primary => self.stream.epoch,
            Role::Backup => self.epoch_seen,
        }
    }

    /// The highest epoch that is known, to be given to [`Node::raise_epoch`] after a restart.
    pub fn highest_epoch(&self) -> u64 {
        self.epoch_seen
    }

    /// Takes note of an epoch that was known before this node was made.
    pub fn raise_epoch(&mut self, known: u64) {
        self.epoch_seen = self.epoch_seen.max(known);
    }

    /// What the node was told about itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The name of the node in the cluster.
    pub fn node_id(&self) -> u32 {
        self.config.node_id
    }

    /// Starts a full resync: as primary by a walk of the table, as backup by asking for one.
    pub fn request_walk(&mut self, stats: &Stats) {
        match self.role {
            Role::Primary => self.walker.want(),
            Role::Backup => self.receiver.want(stats),
        }
    }

    /// Takes the news that connections which the primary has have vanished from a backup's table.
    pub fn note_loss(&mut self, now: Time) {
        if self.role == Role::Backup {
            self.receiver.lose(now);
        }
    }

    /// Last number that a primary used, or up to which a backup lacks nothing of the stream it
    /// follows.
    pub fn seq(&self) -> u64 {
        match self.role {
            Role::Primary => self.seq,
            Role::Backup => self.receiver.applied(),
        }
    }

    /// The newest stream that a backup has followed; a primary's own.
    pub fn following(&self) -> Stream {
        *self.receiver.stream()
    }

    /// Whether this node has all that the primary has, and hears it. Always true of a primary.
    pub fn synced(&self, now: Time) -> bool {
        match self.role {
            Role::Primary => true,
            Role::Backup => self.receiver.complete() && self.follows(now),
        }
    }

    /// The other nodes that were heard since the start, also those that are silent now.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// Frames that a backup lacks of what this node has sent; 0 where that makes no sense.
    pub fn lag(&self, peer: &Peer) -> u64 {
        if self.role == Role::Primary && peer.stream == self.stream {
            self.seq.saturating_sub(peer.applied)
        } else {
            0
        }
    }

    /// Takes what was noteworthy since the last call.
    pub fn take_notices(&mut self) -> Notices {
        self.notices.drain()
    }

    /// Tells how full the conntrack table is and how full it may become (0: not known).
    pub fn set_table_size(&mut self, count: u32, max: u32) {
        self.table_count = count;
        self.table_max = max;
    }

    /// Becomes primary, in an epoch above every one known; does nothing on a primary.
    ///
    /// A walk of the table for the backups starts by itself.
    pub fn promote(&mut self, _now: Time, stats: &Stats) {
        if self.role == Role::Backup {
            self.role = Role::Primary;
            self.take_epoch(stats);
        }
    }

    /// Becomes backup; does nothing on a backup. Nothing is flushed, here or elsewhere.
    ///
    /// Records that wait in the frame are still sent, in the stream that ends with them.
    pub fn demote(&mut self, _now: Time, stats: &Stats) {
        if self.role == Role::Primary {
            self.role = Role::Backup;
            self.walker.reset();
            self.walk_held = None;
            self.backlog.clear();
            (self.tail, self.busy) = (None, false);
            self.receiver.follow(self.stream, stats);
            self.heartbeat_at = Time::ZERO;
            self.peers.forget_rivals();
            self.notices.rearm();
            self.was_synced = false;
            stats.count(Counter::Demotions);
        }
    }

    /// Starts a stream in an epoch above every one known.
    pub(super) fn take_epoch(&mut self, stats: &Stats) {
        stats.count(Counter::Promotions);
        self.epoch_seen = self.epoch_seen.saturating_add(1);
        self.notices.rearm();
        self.start_stream(self.epoch_seen, stats);
    }

    /// Starts a stream of this node: numbers from 1, and a walk for the backups.
    fn start_stream(&mut self, epoch: u64, stats: &Stats) {
        self.stream = Stream {
            epoch,
            node_id: self.config.node_id,
            incarnation: self.config.incarnation,
        };
        self.seq = 0;
        self.frame.clear();
        self.backlog.clear();
        (self.tail, self.busy) = (None, false);
        self.walker.reset();
        self.walk_held = None;
        self.walker.want();
        // The fence after a demotion: only a newer stream than one's own is followed.
        self.receiver.follow(self.stream, stats);
        self.heartbeat_at = Time::ZERO;
    }

    /// Whether the primary of the stream that is followed was heard lately.
    pub(super) fn follows(&self, now: Time) -> bool {
        self.follows_until().is_some_and(|until| now < until)
    }

    /// When the followed primary will be taken to be gone if it stays silent; `None` when none is
    /// followed.
    pub(super) fn follows_until(&self) -> Option<Time> {
        let stream = self.receiver.stream();
        let peer = self.peers.find(stream.node_id)?;
        let leads = peer.role == Role::Primary && peer.stream == *stream;
        leads.then(|| peer.heard.after(self.config.fresh_ns()))
    }

    /// Notes when being synced has begun or ended. A gap that is repaired soon is no news.
    pub(super) fn watch_sync(&mut self, now: Time) {
        let well = self.receiver.settled() && !self.receiver.gap_is_long(now);
        let synced = self.role == Role::Backup && well && self.follows(now);
        if synced != self.was_synced {
            self.was_synced = synced;
            if synced {
                self.notices.raise(Notice::Synced);
            } else if self.role == Role::Backup {
                self.notices.raise(Notice::SyncLost);
            }
        }
    }

    /// How many frames the backup that is farthest behind lacks, of those that follow this primary
    /// and were heard lately.
    pub(super) fn ahead(&self, now: Time) -> u64 {
        let fresh_ns = self.config.fresh_ns();
        let fresh = |peer: &&Peer| peer.follows && now.since(peer.heard) < fresh_ns;
        let lags = self.peers.iter().filter(fresh).map(|peer| self.lag(peer));
        lags.max().unwrap_or(0)
    }

    /// The mark for connections that a record tells of now.
    pub(super) fn stamp(&mut self, table: &mut impl Table) -> u8 {
        if self.receiver.take_restamp() {
            if self.marks_used >= MARKS_MAX {
                table.forget_marks();
                self.marks_used = 0;
            }
            self.next_mark();
        }
        self.mark
    }

    /// The mark after the present one: 1 to 255, then 1 again.
    pub(super) fn next_mark(&mut self) -> u8 {
        self.mark = self.mark.checked_add(1).unwrap_or(1);
        self.marks_used = self.marks_used.saturating_add(1);
        self.mark
    }
}
