// SPDX-License-Identifier: GPL-2.0

//! What a node sends: truths, walks and repairs of its tenure, NACKs and requests of its follower, and
//! heartbeats in any role.

use super::entry::Entry;
use super::expectation::Expectation;
use super::key::Key;
use super::node::Node;
use super::stream::Role;
use super::table::Truth;
use super::time::Time;
use super::walker::Walk;
use super::wire::bytes::Writer;
use super::wire::control::{Heartbeat, Nack, ResyncRequest};
use super::wire::header::{Header, Kind, FLAG_FOLLOWS, FLAG_PRIMARY, FLAG_SYNCED, HEADER_LEN};
use super::wire::write;
use crate::stats::{Counter, Stats};

/// The frame that is to be sent next.
enum Due {
    Data,
    Heartbeat,
    Nack(Nack),
    Request(ResyncRequest),
}

impl Node {
    /// Whether [`Node::handle_truth`] or [`Node::handle_walked`] may be called once now, whatever
    /// it tells; if not, [`Node::poll_transmit`] has a frame to send first.
    pub fn has_room(&mut self) -> bool {
        self.tenure.has_room(write::RECORD_MAX)
    }

    /// The same, to tell of this entry.
    pub fn has_room_for(&mut self, entry: &Entry) -> bool {
        self.tenure.has_room(write::record_max(entry))
    }

    /// The same, to tell of the absence of a key, or of an expectation.
    pub fn has_room_for_absence(&mut self) -> bool {
        self.tenure
            .has_room(write::RECORD_COMMON.max(write::RECORD_EXPECTATION))
    }

    /// Tells the backups what is true of a key. A backup tells nothing.
    pub fn handle_truth(&mut self, truth: Truth<'_>, now: Time, stats: &Stats) {
        if self.role == Role::Primary {
            self.tenure.tell(truth, now, stats);
        }
    }

    /// The part of the table that is to be told of now, if a walk is wanted.
    ///
    /// The caller gives up to `budget` entries to [`Node::handle_walked`], and when it has come to
    /// the end of the table calls [`Node::handle_walk_end`].
    pub fn poll_walk(&mut self, now: Time, stats: &Stats) -> Option<Walk> {
        if self.role != Role::Primary {
            return None;
        }
        let fresh_ns = self.config.fresh_ns();
        self.tenure
            .poll_walk(now, self.table_count, &self.peers, fresh_ns, stats)
    }

    /// Tells the backups of an entry that the walk found.
    pub fn handle_walked(&mut self, entry: &Entry, now: Time, stats: &Stats) {
        if self.role == Role::Primary {
            self.tenure.tell_walked(entry, now, stats);
        }
    }

    /// Tells the backups of what the connection `master` expects, which they have just been told of.
    pub fn handle_expectation(
        &mut self,
        master: &Key,
        expectation: &Expectation,
        now: Time,
        stats: &Stats,
    ) {
        if self.role == Role::Primary {
            self.tenure
                .tell_expectation(master, expectation, now, stats);
        }
    }

    /// Takes the news that the walk has come to the end of the table; [`Node::poll_walk`] tells
    /// the backups.
    pub fn handle_walk_end(&mut self, now: Time) {
        if self.role == Role::Primary {
            self.tenure.end_walk(now);
        }
    }

    /// The next connection of which backups have lost a record, if there is one and there is room.
    ///
    /// The caller answers with [`Node::handle_truth`], whatever is true of it now: all of it, or
    /// that it is absent.
    pub fn poll_repair(&mut self, now: Time, stats: &Stats) -> Option<Key> {
        match self.role {
            Role::Primary => self.tenure.poll_repair(now, stats),
            Role::Backup => None,
        }
    }

    /// The next frame that is to be sent now, if there is one. It may be called until there is
    /// none.
    pub fn poll_transmit(&mut self, now: Time, stats: &Stats) -> Option<&[u8]> {
        self.watch_sync(now);
        let Some(due) = self.due(now, stats) else {
            self.tenure.tail.note_idle(now);
            return None;
        };
        stats.count(Counter::FramesSent);
        match due {
            Due::Data => self.tenure.send(self.config.cluster_id, stats),
            Due::Heartbeat => self.send_heartbeat(now, stats),
            Due::Nack(nack) => {
                let header = self.control_header(Kind::Nack, now);
                let missing = self.follower.numbers.missing();
                make_control(&mut self.control, header, |w| nack.encode(missing, w))
            }
            Due::Request(request) => {
                let header = self.control_header(Kind::ResyncRequest, now);
                make_control(&mut self.control, header, |w| request.encode(w))
            }
        }
    }

    /// When [`Node::poll_transmit`], [`Node::poll_walk`] or [`Node::poll_repair`] wants to be
    /// called next, if nothing happens before. May be in the past.
    pub fn poll_timeout(&self) -> Option<Time> {
        let by_role = match self.role {
            Role::Primary => self.tenure.tell_at(),
            Role::Backup => self.follower.ask_at(),
        };
        let lost = match self.was_synced {
            true => self.follows_until(),
            false => None,
        };
        let times = [self.data_at(), by_role, lost].into_iter().flatten();
        Some(times.fold(self.next_heartbeat(), Time::min))
    }

    /// When the next heartbeat is due.
    fn next_heartbeat(&self) -> Time {
        let tail = self.tenure.tail.at();
        tail.map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at))
    }

    /// When the frame that is being filled is to leave, `None` while it is empty.
    fn data_at(&self) -> Option<Time> {
        match self.role {
            Role::Primary => self.tenure.frame_at(self.config.flush),
            Role::Backup => self.tenure.last_frame_at(),
        }
    }

    /// Decides what is sent next. The last frame of a stream comes before the news of its end.
    fn due(&mut self, now: Time, stats: &Stats) -> Option<Due> {
        let data = self.data_at().is_some_and(|at| now >= at);
        if data && self.role == Role::Backup {
            return Some(Due::Data);
        }
        if now >= self.next_heartbeat() {
            return Some(Due::Heartbeat);
        }
        if self.role == Role::Backup {
            if let Some(nack) = self.follower.poll_nack(now, stats) {
                return Some(Due::Nack(nack));
            }
            return self.follower.poll_request(now, stats).map(Due::Request);
        }
        data.then_some(Due::Data)
    }

    /// Plans the heartbeats that follow the one that is sent now: the regular ones, and while no
    /// data frame comes a few in ever longer distance.
    fn plan_heartbeat(&mut self, now: Time) {
        let period = self.config.heartbeat_ns();
        if now >= self.heartbeat_at {
            self.heartbeat_at = now.after(period);
        }
        self.tenure.tail.note_heartbeat(now, period);
    }

    /// Makes a heartbeat.
    fn send_heartbeat(&mut self, now: Time, stats: &Stats) -> Option<&[u8]> {
        self.plan_heartbeat(now);
        self.follower.reports.note_reported();
        stats.count(Counter::HeartbeatsSent);
        let heartbeat = Heartbeat {
            stream: self.following(),
            applied: self.seq(),
            table_count: self.table_count,
            table_max: self.table_max,
        };
        let header = self.control_header(Kind::Heartbeat, now);
        let heard = self.peers.heard(now);
        make_control(&mut self.control, header, |w| heartbeat.encode(heard, w))
    }

    /// The header of a frame that is not numbered.
    fn control_header(&self, kind: Kind, now: Time) -> Header {
        let mut flags = match self.role {
            Role::Primary => FLAG_PRIMARY,
            Role::Backup => 0,
        };
        if self.synced(now) {
            flags |= FLAG_SYNCED;
        }
        if self.role == Role::Backup && self.follows(now) {
            flags |= FLAG_FOLLOWS;
        }
        Header {
            kind,
            flags,
            cluster_id: self.config.cluster_id,
            node_id: self.config.node_id,
            incarnation: self.config.incarnation,
            count: 0,
            epoch: self.epoch(),
            seq: match self.role {
                Role::Primary => self.tenure.seq(),
                Role::Backup => 0,
            },
        }
    }
}

/// Makes a frame that is not numbered in `place`, with the payload that `write` writes.
fn make_control<'a>(
    place: &'a mut [u8],
    header: Header,
    write: impl FnOnce(&mut Writer<'_>),
) -> Option<&'a [u8]> {
    let (head, body) = place.split_at_mut_checked(HEADER_LEN)?;
    let mut w = Writer::new(body);
    write(&mut w);
    let payload = w.finish()?;
    header.encode(u16::try_from(payload).ok()?, head);
    place.get(..HEADER_LEN + payload)
}
