// SPDX-License-Identifier: GPL-2.0

//! What a node does with a frame: it checks it, learns from it who is there, and gives it to what it
//! is about: the tenure or the follower (§5 to §8).

use super::address::Address;
use super::node::Node;
use super::notices::Notice;
use super::peers::Unknown;
use super::stream::{Role, Standing};
use super::table::Table;
use super::time::Time;
use super::wire::control::{Heartbeat, Nack, RangeIter, ResyncRequest};
use super::wire::header::{Header, Kind};
use super::wire::record::Records;
use crate::stats::{Counter, Stats};

impl Node {
    /// Takes a datagram that came from `from`, and applies its records to `table`.
    ///
    /// Nothing of a frame that is refused has an effect; the reason is counted.
    pub fn handle_frame(
        &mut self,
        frame: &[u8],
        from: Address,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) {
        stats.count(Counter::FramesReceived);
        if let Err(reason) = self.receive(frame, from, now, table, stats) {
            stats.count(reason);
        }
        stats.add(Counter::ScrubCorrections, self.follower.suspects.judge(now));
        self.watch_sync(now);
    }

    /// The same; the error is the counter that names why the frame is refused.
    fn receive(
        &mut self,
        frame: &[u8],
        from: Address,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) -> Result<(), Counter> {
        let (header, payload) = Header::decode(frame)?;
        self.admit(&header, stats)?;
        match header.kind {
            Kind::Data => {
                let records = Records::new(payload, header.count)?;
                self.meet(&header, from, now, stats)?;
                self.handle_data(&header, records, now, table, stats)
            }
            Kind::Heartbeat => {
                let (heartbeat, heard) = Heartbeat::decode(payload).ok_or(Counter::FramesShort)?;
                self.meet(&header, from, now, stats)?;
                self.note_heartbeat(&header, &heartbeat, now);
                for peer in heard {
                    self.note_heard(header.node_id, peer.node_id, peer.age_ms, now);
                }
                stats.count(Counter::HeartbeatsReceived);
                self.handle_heartbeat(&header, &heartbeat, now, stats)
            }
            Kind::ResyncRequest => {
                let request = ResyncRequest::decode(payload).ok_or(Counter::FramesShort)?;
                self.meet(&header, from, now, stats)?;
                self.handle_request(&request, now, stats)
            }
            Kind::Nack => {
                let (nack, missing) = Nack::decode(payload).ok_or(Counter::FramesShort)?;
                self.meet(&header, from, now, stats)?;
                self.handle_nack(&nack, missing, now, stats)
            }
        }
    }

    /// Checks that a frame is of this cluster and of another node.
    fn admit(&mut self, header: &Header, stats: &Stats) -> Result<(), Counter> {
        if header.cluster_id != self.config.cluster_id {
            return Err(Counter::FramesOtherCluster);
        }
        if header.node_id == self.config.node_id {
            // Of the same life it is our own frame, looped back.
            if header.incarnation != self.config.incarnation {
                self.note_duplicate(stats);
            }
            return Err(Counter::FramesOwnNodeId);
        }
        Ok(())
    }

    /// Notes that a peer is alive, and what its header says.
    fn meet(
        &mut self,
        header: &Header,
        from: Address,
        now: Time,
        stats: &Stats,
    ) -> Result<(), Counter> {
        let forget_ns = self.config.fresh_ns();
        match self.peers.hear(header, from, now, forget_ns) {
            Ok(()) => {}
            Err(Unknown::Retired) => return Err(Counter::FramesRetired),
            Err(Unknown::Duplicate) => {
                self.note_duplicate(stats);
                return Err(Counter::FramesRetired);
            }
            Err(Unknown::Full) => {
                self.notices.raise(Notice::PeersFull);
                return Err(Counter::FramesPeersFull);
            }
        }
        self.epoch_seen = self.epoch_seen.max(header.epoch);
        if header.role() == Role::Primary {
            self.note_primary(header, stats);
        }
        Ok(())
    }

    /// Notes that an id is used twice.
    fn note_duplicate(&mut self, stats: &Stats) {
        if self.notices.raise(Notice::DuplicateNodeId) {
            stats.count(Counter::DuplicateNodeIdSeen);
        }
    }

    /// Learns of a primary: a backup follows the newest, a primary notes that there are two.
    fn note_primary(&mut self, header: &Header, stats: &Stats) {
        let stream = header.stream();
        if self.role == Role::Primary {
            self.note_rival(header.node_id, stats);
        } else if self.follower.standing(&stream) == Standing::Newer {
            self.follower.follow(stream, stats);
            self.follower.suspects.clear();
            self.notices.rearm();
        }
    }

    /// Notes that another node is primary as well.
    fn note_rival(&mut self, node_id: u32, stats: &Stats) {
        let peer = self.peers.find_mut(node_id);
        if let Some(peer) = peer.filter(|peer| !peer.rival) {
            peer.rival = true;
            stats.count(Counter::SplitBrainSeen);
            self.notices.raise(Notice::SplitBrain);
        }
    }

    /// Applies the records of a frame of the stream that is followed.
    fn handle_data(
        &mut self,
        header: &Header,
        records: Records<'_>,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) -> Result<(), Counter> {
        if self.role == Role::Primary {
            return Err(Counter::FramesUnwanted);
        }
        self.follower.check(&header.stream())?;
        if self
            .follower
            .take_records(header, records, now, table, stats)?
        {
            self.heartbeat_at = now;
        }
        Ok(())
    }

    /// Notes what a heartbeat says of its sender.
    fn note_heartbeat(&mut self, header: &Header, heartbeat: &Heartbeat, now: Time) {
        self.epoch_seen = self.epoch_seen.max(heartbeat.stream.epoch);
        let Some(peer) = self.peers.find_mut(header.node_id) else {
            return;
        };
        peer.note(header, heartbeat);
        let ours = self.role == Role::Primary && heartbeat.stream == *self.tenure.stream();
        if !ours || peer.applied >= self.tenure.seq() {
            peer.behind_since = None;
        } else {
            peer.behind_since.get_or_insert(now);
        }
        if self.role == Role::Primary {
            let fresh_ns = self.config.fresh_ns();
            self.tenure.note_progress(&self.peers, now, fresh_ns);
        }
    }

    /// Notes that `sender` has heard `node_id`, if that is us.
    fn note_heard(&mut self, sender: u32, node_id: u32, age_ms: u32, now: Time) {
        if node_id == self.config.node_id {
            if let Some(peer) = self.peers.find_mut(sender) {
                peer.note_hearing(age_ms, now);
            }
        }
    }

    /// Acts on a heartbeat.
    fn handle_heartbeat(
        &mut self,
        header: &Header,
        heartbeat: &Heartbeat,
        now: Time,
        stats: &Stats,
    ) -> Result<(), Counter> {
        match (self.role, header.role()) {
            (Role::Backup, Role::Primary) => {
                self.follower.check(&header.stream())?;
                self.follower.take_last(header.seq, now, stats);
                self.compare_tables(heartbeat);
            }
            (Role::Primary, Role::Backup) => self.answer_claim(header.node_id, heartbeat, stats),
            (Role::Backup, Role::Backup) | (Role::Primary, Role::Primary) => {}
        }
        Ok(())
    }

    /// Warns when the primary's table can hold more than ours.
    fn compare_tables(&mut self, heartbeat: &Heartbeat) {
        let needed = heartbeat.table_max.max(heartbeat.table_count);
        if self.table_max != 0 && self.table_max < needed {
            self.notices.raise(Notice::TableSmaller);
        }
    }

    /// Takes a higher epoch if a backup that hears no primary would not listen to this one.
    ///
    /// That is how a primary that was restarted, and knows nothing of what was before, becomes
    /// heard. A backup that hears another primary is not argued with: that is a split brain.
    fn answer_claim(&mut self, node_id: u32, heartbeat: &Heartbeat, stats: &Stats) {
        let follows = self.peers.find(node_id).is_some_and(|peer| peer.follows);
        let deaf = self.tenure.stream().standing(&heartbeat.stream) == Standing::Newer;
        if !follows && deaf {
            self.notices.raise(Notice::Repromoted);
            self.take_epoch(stats);
        }
    }

    /// Takes a request for a resync.
    fn handle_request(
        &mut self,
        request: &ResyncRequest,
        now: Time,
        stats: &Stats,
    ) -> Result<(), Counter> {
        let to_us = [0, self.config.node_id].contains(&request.stream.node_id);
        if self.role == Role::Backup || !to_us {
            return Err(Counter::FramesUnwanted);
        }
        self.tenure.take_request(request, now, stats);
        Ok(())
    }

    /// Takes a NACK: a primary has the frames repaired, a backup holds its own back.
    fn handle_nack(
        &mut self,
        nack: &Nack,
        missing: RangeIter<'_>,
        now: Time,
        stats: &Stats,
    ) -> Result<(), Counter> {
        if self.role == Role::Primary && nack.stream == *self.tenure.stream() {
            self.tenure.take_nack(nack, missing, now, stats);
            return Ok(());
        }
        let fellow = self.role == Role::Backup && nack.stream == *self.follower.stream();
        if !fellow {
            return Err(Counter::FramesUnwanted);
        }
        self.follower.numbers.overhear(missing, now, stats);
        Ok(())
    }
}
