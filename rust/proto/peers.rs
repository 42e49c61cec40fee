// SPDX-License-Identifier: GPL-2.0

//! The other nodes: who they are, and what they last said (§6).

use super::address::Address;
use super::stream::{Role, Standing, Stream};
use super::time::{Time, NS_PER_MS, NS_PER_S};
use super::wire::control::{Heard, Heartbeat};
use super::wire::header::{Header, FLAG_FOLLOWS, FLAG_SYNCED};
use crate::buffer::Buffer;

/// Peers that are kept apart at most; a cluster is a handful of nodes.
pub const PEERS_MAX: usize = 64;
/// An earlier life of a peer that is heard this long after it ended is another node with the same
/// id: no network delays a frame that long.
const RETIRED_NS: u64 = 10 * NS_PER_S;

/// One other node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peer {
    /// Whether this place of the table is taken.
    used: bool,
    /// Its id.
    pub node_id: u32,
    /// Its present life.
    pub incarnation: u32,
    /// Its life before, if there was one.
    retired: Option<u32>,
    /// When the present life was first heard.
    born: Time,
    /// Where its last frame came from.
    pub address: Address,
    /// Its role.
    pub role: Role,
    /// Whether it has all that its primary has.
    pub synced: bool,
    /// Its own stream if it is primary, or the newest that it has followed.
    pub stream: Stream,
    /// Whether it hears the primary of that stream.
    pub follows: bool,
    /// Last number of that stream that it has sent or taken.
    pub applied: u64,
    /// Entries in its conntrack table.
    pub table_count: u32,
    /// Limit of its conntrack table, 0 if not known.
    pub table_max: u32,
    /// When it was last heard.
    pub heard: Time,
    /// When it last heard us, as far as it told.
    pub heard_us: Option<Time>,
    /// As backup of ours: since when it has not had all that we sent.
    pub behind_since: Option<Time>,
    /// Whether it was counted as a second primary.
    pub(super) rival: bool,
}

/// Why a frame of a peer is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unknown {
    /// It was sent by a life of the node that is over.
    Retired,
    /// The same, but so late that it must be another node with the same id.
    Duplicate,
    /// There is no place for another peer.
    Full,
}

impl Peer {
    /// Milliseconds since it was last heard.
    pub fn age_ms(&self, now: Time) -> u64 {
        now.since(self.heard) / NS_PER_MS
    }

    /// Frames that it lacks of stream `stream`, of which `seq` is the last; 0 if it follows another.
    pub(super) fn lag(&self, stream: &Stream, seq: u64) -> u64 {
        if self.stream == *stream {
            seq.saturating_sub(self.applied)
        } else {
            0
        }
    }

    /// Notes what every frame tells.
    fn hear(&mut self, header: &Header, from: Address, now: Time) {
        self.address = from;
        self.heard = now;
        self.role = header.role();
        self.synced = header.flags & FLAG_SYNCED != 0;
        if self.role == Role::Backup {
            self.rival = false;
        } else if self.stream.standing(&header.stream()) != Standing::Stale {
            // A late frame of its own past does not count.
            self.stream = header.stream();
        }
    }

    /// Notes what a heartbeat tells.
    pub(super) fn note(&mut self, header: &Header, heartbeat: &Heartbeat) {
        if self.role == Role::Backup {
            self.stream = heartbeat.stream;
        }
        self.follows = header.flags & FLAG_FOLLOWS != 0;
        self.applied = heartbeat.applied;
        self.table_count = heartbeat.table_count;
        self.table_max = heartbeat.table_max;
    }

    /// Notes that the peer heard us `age_ms` ago.
    pub(super) fn note_hearing(&mut self, age_ms: u32, now: Time) {
        let age = u64::from(age_ms).saturating_mul(NS_PER_MS);
        self.heard_us = Some(Time(now.0.saturating_sub(age)));
    }
}

/// The table of peers.
pub(super) struct Peers(Buffer<Peer>);

impl Peers {
    /// An empty table in `storage`.
    pub(super) fn new(mut storage: Buffer<Peer>) -> Self {
        storage.fill(Peer::default());
        Self(storage)
    }

    /// Forgets all peers.
    pub(super) fn clear(&mut self) {
        self.0.fill(Peer::default());
    }

    /// Forgets who was counted as a second primary.
    pub(super) fn forget_rivals(&mut self) {
        self.0.iter_mut().for_each(|peer| peer.rival = false);
    }

    /// The peers that are known.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter().filter(|peer| peer.used)
    }

    /// The peer with an id.
    pub(super) fn find(&self, node_id: u32) -> Option<&Peer> {
        self.iter().find(|peer| peer.node_id == node_id)
    }

    /// The same, to change it.
    pub(super) fn find_mut(&mut self, node_id: u32) -> Option<&mut Peer> {
        self.0
            .iter_mut()
            .find(|peer| peer.used && peer.node_id == node_id)
    }

    /// Notes that a frame of a peer came in; makes a place for a new one, at the cost of one that
    /// has been silent for `forget_ns`.
    ///
    /// # Errors
    ///
    /// [`Unknown`] if the frame is not to be looked at.
    pub(super) fn hear(
        &mut self,
        header: &Header,
        from: Address,
        now: Time,
        forget_ns: u64,
    ) -> Result<(), Unknown> {
        let peer = match self.find_mut(header.node_id) {
            Some(peer) if peer.incarnation == header.incarnation => peer,
            Some(peer) if peer.retired == Some(header.incarnation) => {
                let recent = now.since(peer.born) < RETIRED_NS;
                return Err(if recent {
                    Unknown::Retired
                } else {
                    Unknown::Duplicate
                });
            }
            Some(peer) => {
                let retired = Some(peer.incarnation);
                *peer = Peer::born(header, retired, now);
                peer
            }
            None => {
                let place = self.place(now, forget_ns).ok_or(Unknown::Full)?;
                *place = Peer::born(header, None, now);
                place
            }
        };
        peer.hear(header, from, now);
        Ok(())
    }

    /// A place that is free, or whose peer has been silent for `forget_ns`.
    fn place(&mut self, now: Time, forget_ns: u64) -> Option<&mut Peer> {
        let free = |peer: &Peer| !peer.used || now.since(peer.heard) >= forget_ns;
        // An unused place is first: its peer was last heard at the origin of time.
        let place = self
            .0
            .iter_mut()
            .min_by_key(|peer| (peer.used, peer.heard))?;
        free(place).then_some(place)
    }

    /// How many frames of a stream, of which `seq` is the last, the peer lacks that is farthest behind:
    /// of those that follow a primary and were heard in the last `fresh_ns`.
    pub(super) fn most_behind(&self, stream: &Stream, seq: u64, now: Time, fresh_ns: u64) -> u64 {
        let fresh = |peer: &&Peer| peer.follows && now.since(peer.heard) < fresh_ns;
        let lags = self.iter().filter(fresh).map(|peer| peer.lag(stream, seq));
        lags.max().unwrap_or(0)
    }

    /// What a heartbeat says of whom we hear.
    pub(super) fn heard(&self, now: Time) -> impl Iterator<Item = Heard> + '_ {
        self.iter().map(move |peer| Heard {
            node_id: peer.node_id,
            age_ms: u32::try_from(peer.age_ms(now)).unwrap_or(u32::MAX),
        })
    }
}

impl Peer {
    /// A peer at its first frame.
    fn born(header: &Header, retired: Option<u32>, now: Time) -> Self {
        Self {
            used: true,
            node_id: header.node_id,
            incarnation: header.incarnation,
            retired,
            born: now,
            ..Self::default()
        }
    }
}
