// SPDX-License-Identifier: GPL-2.0

//! What a node does with a frame: checks it, learns from it, applies it (§5 to §8).

use super::address::Address;
use super::entry::{Entry, Key};
use super::node::{
    Applied, Expected, Node, Table, REPORT_FRAMES, SILENT_FRAMES_MAX, WALK_AHEAD_MAX,
};
use super::notices::Notice;
use super::peers::Unknown;
use super::receiver::Sweep;
use super::stream::{Role, Standing, Stream};
use super::time::Time;
use super::wire::control::{Heartbeat, Nack, RangeIter, ResyncRequest};
use super::wire::header::{Header, Kind};
use super::wire::record::{Record, Records};
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
        stats.add(Counter::ScrubCorrections, self.suspects.judge(now));
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
        } else if self.receiver.standing(&stream) == Standing::Newer {
            self.receiver.follow(stream, stats);
            self.suspects.clear();
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
        self.check_stream(&header.stream())?;
        self.receiver.take(header.seq, now, stats)?;
        stats.add(Counter::RecordsReceived, u64::from(header.count));
        for body in records {
            self.apply(body, now, table, stats);
        }
        self.report(now);
        if let Some(sweep) = self.receiver.finish(now, stats) {
            self.sweep(sweep, table, stats);
        }
        Ok(())
    }

    /// Deletes what a resync has not told of.
    fn sweep(&mut self, sweep: Sweep, table: &mut impl Table, stats: &Stats) {
        let mark = self.stamp(table);
        let swept = u64::from(table.sweep(mark));
        self.marks_used = 1;
        stats.add(Counter::EntriesSwept, swept);
        if sweep == Sweep::Scrub {
            stats.add(Counter::ScrubCorrections, swept);
        }
    }

    /// Checks that a stream is the one that is followed.
    fn check_stream(&self, stream: &Stream) -> Result<(), Counter> {
        match self.receiver.standing(stream) {
            Standing::Current => Ok(()),
            // Newer ones have been followed already, where the sender says it is primary.
            Standing::Stale | Standing::Newer => Err(Counter::FramesStaleEpoch),
        }
    }

    /// Plans a heartbeat after some frames of a resync: the primary waits for it before it goes on.
    fn report(&mut self, now: Time) {
        self.resync_frames = self.resync_frames.saturating_sub(1);
        if self.resync_frames != 0 {
            self.unreported = self.unreported.saturating_add(1);
            if self.unreported >= REPORT_FRAMES {
                self.heartbeat_at = now;
            }
        }
    }

    /// Applies one record.
    fn apply(&mut self, body: &[u8], now: Time, table: &mut impl Table, stats: &Stats) {
        let mut unknown = 0;
        let record = Record::decode(body, &mut unknown);
        stats.add(Counter::RecordsUnknownAttribute, u64::from(unknown));
        match record {
            Some(Record::Upsert(entry)) => {
                self.upsert(&entry, now, table, stats);
                self.suspects.explain(&entry.key);
            }
            Some(Record::Walked(entry)) => {
                if !self.in_scrub {
                    self.resync_frames = SILENT_FRAMES_MAX;
                }
                let applied = self.upsert(&entry, now, table, stats);
                self.suspect(&entry.key, applied, now, stats);
            }
            Some(Record::Update(entry)) => self.update(&entry, now, table, stats),
            Some(Record::Delete(key)) => {
                self.receiver.told();
                self.note_applied(table.delete(&key), now, stats);
                self.suspects.explain(&key);
            }
            Some(Record::Expectation(master, expectation)) => {
                stats.count(match table.expect(&master, &expectation) {
                    Expected::Added => Counter::ExpectationsAdded,
                    Expected::Known => Counter::ExpectationsKnown,
                    Expected::Refused => Counter::ExpectationsRefused,
                });
            }
            Some(Record::ResyncBegin { generation, scrub }) => {
                self.receiver.begin(generation, scrub);
                self.in_scrub = scrub;
                self.resync_frames = if scrub { 0 } else { SILENT_FRAMES_MAX };
                // What the primary knows of this node is a heartbeat old.
                self.unreported = REPORT_FRAMES;
            }
            Some(Record::ResyncEnd(end)) => {
                self.receiver.end(end);
                (self.in_scrub, self.resync_frames) = (false, 0);
            }
            Some(Record::Repaired(range)) => self.receiver.repaired(range, stats),
            Some(Record::Gone(range)) => self.receiver.gone(range, stats),
            Some(Record::Unknown) => stats.count(Counter::RecordsUnknownType),
            None => stats.count(Counter::RecordsMalformed),
        }
    }

    /// Makes the table hold an entry.
    fn upsert(
        &mut self,
        entry: &Entry,
        now: Time,
        table: &mut impl Table,
        stats: &Stats,
    ) -> Applied {
        self.receiver.told();
        let mark = self.stamp(table);
        let applied = table.upsert(entry, mark);
        self.note_applied(applied, now, stats);
        applied
    }

    /// Makes an entry that the table holds be as the primary's is now. What is not there can not be
    /// made of it.
    fn update(&mut self, entry: &Entry, now: Time, table: &mut impl Table, stats: &Stats) {
        let mark = self.stamp(table);
        let applied = table.update(entry, mark);
        stats.count(applied.counter());
        if applied == Applied::Incomplete {
            self.receiver.incomplete(now);
        } else {
            self.suspects.explain(&entry.key);
        }
    }

    /// Notes a difference that a scrub has found.
    fn suspect(&mut self, key: &Key, applied: Applied, now: Time, stats: &Stats) {
        let different = matches!(
            applied,
            Applied::Inserted | Applied::Updated | Applied::ReplacedLocal
        );
        if different && self.receiver.scrubs() {
            stats.add(Counter::ScrubCorrections, self.suspects.add(key, now));
        }
    }

    /// Counts what became of a record, and notes what this node lacks because of it.
    fn note_applied(&mut self, applied: Applied, now: Time, stats: &Stats) {
        match applied {
            Applied::TableFull | Applied::NoMemory | Applied::Busy => self.receiver.lack(now),
            Applied::Conflict
            | Applied::UnsupportedProtocol
            | Applied::NatDiverged
            | Applied::Refused => self.receiver.refuse(now),
            _ => {}
        }
        stats.count(applied.counter());
    }

    /// Notes what a heartbeat says of its sender.
    fn note_heartbeat(&mut self, header: &Header, heartbeat: &Heartbeat, now: Time) {
        self.epoch_seen = self.epoch_seen.max(heartbeat.stream.epoch);
        let (stream, seq) = (self.stream, self.seq);
        let ours = self.role == Role::Primary && heartbeat.stream == stream;
        let Some(peer) = self.peers.find_mut(header.node_id) else {
            return;
        };
        peer.note(header, heartbeat);
        if !ours || peer.applied >= seq {
            peer.behind_since = None;
        } else {
            peer.behind_since.get_or_insert(now);
        }
        if self.ahead(now) < WALK_AHEAD_MAX {
            self.walk_held = None;
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
                self.check_stream(&header.stream())?;
                self.receiver.take_last(header.seq, now, stats);
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
        let deaf = self.stream.standing(&heartbeat.stream) == Standing::Newer;
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
        let from = if request.stream == self.stream {
            request.from
        } else {
            0
        };
        stats.count(Counter::ResyncRequestsReceived);
        self.walker.request(from, now);
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
        if self.role == Role::Primary && nack.stream == self.stream {
            stats.count(Counter::NacksReceived);
            let wanted = self.backlog.want(missing, nack.taken, self.seq, now);
            self.walker.note_lost(wanted.frames);
            stats.add(Counter::RepairsImpossible, u64::from(wanted.gone));
            return Ok(());
        }
        let fellow = self.role == Role::Backup && nack.stream == *self.receiver.stream();
        if !fellow {
            return Err(Counter::FramesUnwanted);
        }
        self.receiver.overhear(missing, now, stats);
        Ok(())
    }
}
