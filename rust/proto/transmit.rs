// SPDX-License-Identifier: GPL-2.0

//! What a node sends: truths, walks and repairs of a primary, heartbeats of any node, NACKs and
//! requests of a backup.

use super::backlog;
use super::entry::{Entry, Key};
use super::expectation::Expectation;
use super::node::{Node, Truth, WALK_AHEAD_MAX};
use super::range::Range;
use super::stream::Role;
use super::time::{Time, NS_PER_MS};
use super::walker::{Step, Walk, WALK_BATCH};
use super::wire::bytes::Writer;
use super::wire::control::{Heartbeat, Nack, ResyncRequest};
use super::wire::header::{Header, Kind, FLAG_FOLLOWS, FLAG_PRIMARY, FLAG_SYNCED, HEADER_LEN};
use super::wire::write;
use crate::stats::{Counter, Stats};

/// A heartbeat follows this long after the last data frame, again after twice the time and so on,
/// so that a lost tail is noticed before the next regular one.
const TAIL_NS: u64 = 50 * NS_PER_MS;

/// Longest that a walk waits for a backup that says nothing: then it goes on a little.
const WALK_HELD_NS: u64 = 100 * NS_PER_MS;

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
        self.frame.has_room(write::RECORD_MAX)
    }

    /// The same, to tell of this entry.
    pub fn has_room_for(&mut self, entry: &Entry) -> bool {
        self.frame.has_room(write::record_max(entry))
    }

    /// The same, to tell of the absence of a key, or of an expectation.
    pub fn has_room_for_absence(&mut self) -> bool {
        self.frame
            .has_room(write::RECORD_COMMON.max(write::RECORD_EXPECTATION))
    }

    /// Tells the backups what is true of a key. A backup tells nothing.
    pub fn handle_truth(&mut self, truth: Truth<'_>, now: Time, stats: &Stats) {
        if self.role == Role::Primary {
            self.frame_live = true;
            self.append(now, stats, |w| match truth {
                Truth::Present(entry) => write::put_upsert(w, entry),
                Truth::Changed(entry) => write::put_update(w, entry),
                Truth::Absent(key) => write::put_delete(w, key),
            });
        }
    }

    /// The part of the table that is to be told of now, if a walk is wanted.
    ///
    /// The caller gives up to `budget` entries to [`Node::handle_walked`], and when it has come to
    /// the end of the table calls [`Node::handle_walk_end`].
    pub fn poll_walk(&mut self, now: Time, stats: &Stats) -> Option<Walk> {
        if self.role != Role::Primary || !self.frame.is_open() {
            return None;
        }
        match self.walker.step(now) {
            Step::Begin { scrub } => self.begin_walk(scrub, now, stats),
            Step::End(end) => {
                self.append(now, stats, |w| write::put_resync_end(w, &end));
                self.walker.ended(now);
                stats.count(Counter::ResyncsServed);
            }
            Step::Go { .. } | Step::Rest => {}
        }
        let Step::Go { budget } = self.walker.step(now) else {
            return None;
        };
        if self.walk_waits(now) {
            return None;
        }
        Some(Walk {
            mark: self.mark,
            restart: core::mem::take(&mut self.walk_restart),
            budget: budget.min(WALK_BATCH) as usize,
        })
    }

    /// Whether the walk is to wait until backups have taken more of what was sent.
    fn walk_waits(&mut self, now: Time) -> bool {
        if !self.walk_paced || self.ahead(now) < WALK_AHEAD_MAX {
            self.walk_held = None;
            return false;
        }
        let until = *self.walk_held.get_or_insert(now.after(WALK_HELD_NS));
        if now >= until {
            self.walk_held = Some(now.after(WALK_HELD_NS));
        }
        now < until
    }

    /// Begins a walk, with a BEGIN in the frame that is being filled.
    fn begin_walk(&mut self, scrub: bool, now: Time, stats: &Stats) {
        let seq = self.seq.saturating_add(1);
        let generation = self.walker.begin(now, scrub, seq, self.table_count);
        self.next_mark();
        (self.walk_paced, self.walk_held) = (!scrub, None);
        self.walk_restart = true;
        self.append(now, stats, |w| {
            write::put_resync_begin(w, generation, scrub);
        });
    }

    /// Tells the backups of an entry that the walk found.
    pub fn handle_walked(&mut self, entry: &Entry, now: Time, stats: &Stats) {
        if self.role == Role::Primary && self.walker.tell() {
            self.append(now, stats, |w| write::put_walked(w, entry));
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
            self.frame_live = true;
            self.append(now, stats, |w| {
                write::put_expectation(w, master, expectation);
            });
        }
    }

    /// Takes the news that the walk has come to the end of the table; [`Node::poll_walk`] tells
    /// the backups.
    pub fn handle_walk_end(&mut self, now: Time) {
        if self.role == Role::Primary {
            self.walker.end(now);
            self.marks_used = 1;
        }
    }

    /// The next connection of which backups have lost a record, if there is one and there is room.
    ///
    /// The caller answers with [`Node::handle_truth`], whatever is true of it now: all of it, or
    /// that it is absent.
    pub fn poll_repair(&mut self, now: Time, stats: &Stats) -> Option<Key> {
        while self.role == Role::Primary && self.frame.is_open() {
            let by = self.seq.saturating_add(1);
            match self.backlog.step(self.seq)? {
                backlog::Step::Key(key) => {
                    stats.count(Counter::RecordsRepaired);
                    return Some(key);
                }
                backlog::Step::End(end) => {
                    self.append(now, stats, |w| write::put_resync_end(w, &end));
                }
                backlog::Step::Repaired(range) => {
                    self.append(now, stats, |w| write::put_repaired(w, range));
                }
                backlog::Step::Gone(range) => {
                    self.append(now, stats, |w| write::put_gone(w, range));
                }
                backlog::Step::Done(seq) => {
                    stats.count(Counter::FramesRepaired);
                    self.append(now, stats, |w| write::put_repaired(w, Range::one(seq)));
                    self.backlog.done(seq, by, now);
                }
            }
        }
        None
    }

    /// The next frame that is to be sent now, if there is one. It may be called until there is
    /// none.
    pub fn poll_transmit(&mut self, now: Time, stats: &Stats) -> Option<&[u8]> {
        self.watch_sync(now);
        let Some(due) = self.due(now, stats) else {
            self.note_idle(now);
            return None;
        };
        stats.count(Counter::FramesSent);
        match due {
            Due::Data => self.send_data(stats),
            Due::Heartbeat => self.send_heartbeat(now, stats),
            Due::Nack(nack) => {
                let header = self.control_header(Kind::Nack, now);
                let missing = self.receiver.missing();
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
            Role::Primary if !self.frame.is_open() => None,
            Role::Primary if self.backlog.is_wanted() => Some(Time::ZERO),
            Role::Primary => self.walk_at(),
            Role::Backup => self.receiver.ask_at(),
        };
        let lost = match self.was_synced {
            true => self.follows_until(),
            false => None,
        };
        let times = [self.data_at(), by_role, lost].into_iter().flatten();
        Some(times.fold(self.next_heartbeat(), Time::min))
    }

    /// When the walk is to go on or another one to begin.
    fn walk_at(&self) -> Option<Time> {
        let at = self.walker.next()?;
        Some(self.walk_held.map_or(at, |until| at.max(until)))
    }

    /// Appends a record, or makes the backups notice that one is missing.
    fn append(&mut self, now: Time, stats: &Stats, write: impl FnOnce(&mut Writer<'_>)) {
        if !self.frame.append(now, write) {
            stats.count(Counter::RecordsNoRoom);
            self.skip_seq();
        }
    }

    /// Leaves a number out: the backups see a gap, and learn that only a resync helps.
    fn skip_seq(&mut self) {
        self.seq = self.seq.saturating_add(1);
        self.backlog.store_gone(self.seq);
    }

    /// Plans the heartbeat that tells of a lost tail. The time begins when there is nothing to send
    /// any more: on a link that hardly moves each frame takes longer than that.
    fn note_idle(&mut self, now: Time) {
        if core::mem::take(&mut self.busy) {
            self.tail = Some((now.after(TAIL_NS), TAIL_NS));
        }
    }

    /// When the next heartbeat is due.
    fn next_heartbeat(&self) -> Time {
        let tail = self.tail.map(|(at, _)| at);
        tail.map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at))
    }

    /// When the frame that is being filled is to leave, `None` while it is empty.
    fn data_at(&self) -> Option<Time> {
        let opened = self.frame.opened()?;
        let waits = self.role == Role::Primary && self.frame.is_open();
        Some(if waits {
            opened.after(self.config.flush)
        } else {
            Time::ZERO
        })
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
            if let Some(nack) = self.receiver.poll_nack(now, stats) {
                return Some(Due::Nack(nack));
            }
            return self.request(now, stats).map(Due::Request);
        }
        data.then_some(Due::Data)
    }

    /// The request that is due, if one is.
    fn request(&mut self, now: Time, stats: &Stats) -> Option<ResyncRequest> {
        let request = self.receiver.poll_request(now, stats)?;
        // One's own stream is over: whoever is primary now is to answer.
        let own = request.stream.node_id == self.config.node_id;
        Some(if own {
            ResyncRequest::default()
        } else {
            request
        })
    }

    /// Numbers the frame that is being filled.
    fn send_data(&mut self, stats: &Stats) -> Option<&[u8]> {
        self.seq = self.seq.saturating_add(1);
        if core::mem::take(&mut self.frame_live) {
            (self.tail, self.busy) = (None, true);
        }
        self.walker.note_sent();
        let header = Header {
            kind: Kind::Data,
            flags: FLAG_PRIMARY,
            cluster_id: self.config.cluster_id,
            node_id: self.stream.node_id,
            incarnation: self.stream.incarnation,
            count: 0,
            epoch: self.stream.epoch,
            seq: self.seq,
        };
        let (frame, count) = self.frame.seal(header)?;
        let payload = frame.get(HEADER_LEN..).unwrap_or_default();
        self.backlog.store(self.seq, payload, count);
        stats.add(Counter::RecordsSent, u64::from(count));
        Some(frame)
    }

    /// Plans the heartbeats that follow the one that is sent now: the regular ones, and while no
    /// data frame comes a few in ever longer distance.
    fn plan_heartbeat(&mut self, now: Time) {
        let period = self.config.heartbeat_ns();
        if now >= self.heartbeat_at {
            self.heartbeat_at = now.after(period);
        }
        self.tail = self.tail.and_then(|(at, waited)| {
            let next = waited.saturating_mul(2);
            match now >= at {
                true => (next < period).then(|| (now.after(next), next)),
                false => Some((at, waited)),
            }
        });
    }

    /// Makes a heartbeat.
    fn send_heartbeat(&mut self, now: Time, stats: &Stats) -> Option<&[u8]> {
        self.plan_heartbeat(now);
        self.unreported = 0;
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
                Role::Primary => self.seq,
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
