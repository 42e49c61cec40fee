// SPDX-License-Identifier: GPL-2.0

//! One node of a cluster: its role, what it says and what it follows, and what the rest of the module
//! calls.
//!
//! Runs under the caller's lock, in any context. What a node says is in `tenure.rs`, what it follows
//! in `follower.rs`. Frames come in through `dispatch.rs` and go out through `transmit.rs`.

use super::backlog::Backlog;
use super::config::Config;
use super::follower::Follower;
use super::frame::FrameBuilder;
use super::notices::{Notice, Notices};
use super::peers::{Peer, Peers};
use super::ring::Ring;
use super::scrub::Suspects;
use super::storage::Storage;
use super::stream::{Role, Stream};
use super::tenure::Tenure;
use super::time::Time;
use crate::buffer::Buffer;
use crate::stats::{Counter, Stats};

/// One node.
pub struct Node {
    pub(super) config: Config,
    pub(super) role: Role,
    /// Highest epoch that anybody has claimed.
    pub(super) epoch_seen: u64,
    /// What it says as primary, now or the last time.
    pub(super) tenure: Tenure,
    /// What it follows as backup. A primary's own stream stands there: only a newer one is followed
    /// after a demotion.
    pub(super) follower: Follower,
    pub(super) peers: Peers,
    /// Room for a frame that is not numbered.
    pub(super) control: Buffer<u8>,
    /// When the next regular heartbeat is due.
    pub(super) heartbeat_at: Time,
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
        let frame = FrameBuilder::new(storage.frame, config.frame_max);
        let backlog = Backlog::new(Ring::new(storage.backlog, storage.backlog_bytes));
        Self {
            role: Role::Backup,
            epoch_seen: 0,
            tenure: Tenure::new(&config, frame, backlog),
            follower: Follower::new(config.node_id, Suspects::new(storage.suspects)),
            peers: Peers::new(storage.peers),
            control: storage.control,
            heartbeat_at: Time::ZERO,
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
        self.tenure.configure(&config);
        if same {
            return;
        }
        self.peers.clear();
        self.follower.rename(config.node_id);
        self.heartbeat_at = Time::ZERO;
        if self.role == Role::Primary {
            self.start_stream(self.tenure.stream().epoch, &Stats::new());
        }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// A primary's own epoch, or the highest that a backup knows of. 0: none yet.
    pub fn epoch(&self) -> u64 {
        match self.role {
            Role::Primary => self.tenure.stream().epoch,
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
            Role::Primary => self.tenure.want_walk(),
            Role::Backup => self.follower.want(stats),
        }
    }

    /// Takes the news that connections which the primary has have vanished from a backup's table.
    pub fn note_loss(&mut self, now: Time) {
        if self.role == Role::Backup {
            self.follower.lose(now);
        }
    }

    /// Last number that a primary used, or up to which a backup lacks nothing of the stream it
    /// follows.
    pub fn seq(&self) -> u64 {
        match self.role {
            Role::Primary => self.tenure.seq(),
            Role::Backup => self.follower.applied(),
        }
    }

    /// The newest stream that a backup has followed; a primary's own.
    pub fn following(&self) -> Stream {
        *self.follower.stream()
    }

    /// Whether this node has all that the primary has, and hears it. Always true of a primary.
    pub fn synced(&self, now: Time) -> bool {
        match self.role {
            Role::Primary => true,
            Role::Backup => self.follower.complete() && self.follows(now),
        }
    }

    /// The other nodes that were heard since the start, also those that are silent now.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// Frames that a backup lacks of what this node has sent; 0 where that makes no sense.
    pub fn lag(&self, peer: &Peer) -> u64 {
        match self.role {
            Role::Primary => peer.lag(self.tenure.stream(), self.tenure.seq()),
            Role::Backup => 0,
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
            // There is one table, so marks go on where the other side has left them.
            self.tenure.marks = self.follower.marks;
            self.take_epoch(stats);
        }
    }

    /// Becomes backup; does nothing on a backup. Nothing is flushed, here or elsewhere.
    ///
    /// Records that wait in the frame are still sent, in the stream that ends with them.
    pub fn demote(&mut self, _now: Time, stats: &Stats) {
        if self.role == Role::Primary {
            self.role = Role::Backup;
            self.tenure.stop();
            self.follower.marks = self.tenure.marks;
            self.follower.follow(*self.tenure.stream(), stats);
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
        let stream = Stream {
            epoch,
            node_id: self.config.node_id,
            incarnation: self.config.incarnation,
        };
        self.tenure.start(stream);
        // The fence after a demotion: only a newer stream than one's own is followed.
        self.follower.follow(stream, stats);
        self.heartbeat_at = Time::ZERO;
    }

    /// Whether the primary of the stream that is followed was heard lately.
    pub(super) fn follows(&self, now: Time) -> bool {
        self.follows_until().is_some_and(|until| now < until)
    }

    /// When the followed primary will be taken to be gone if it stays silent; `None` when none is
    /// followed.
    pub(super) fn follows_until(&self) -> Option<Time> {
        let stream = self.follower.stream();
        let peer = self.peers.find(stream.node_id)?;
        let leads = peer.role == Role::Primary && peer.stream == *stream;
        leads.then(|| peer.heard.after(self.config.fresh_ns()))
    }

    /// Notes when being synced has begun or ended.
    pub(super) fn watch_sync(&mut self, now: Time) {
        let well = self.follower.well(now);
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
}
