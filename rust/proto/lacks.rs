// SPDX-License-Identifier: GPL-2.0

//! Connections that a node has been told of and does not have all the same: for want of room, because
//! they were refused, or because they have vanished from its table (§8.2).

use super::time::{Time, NS_PER_MS, NS_PER_S};

/// Pause before a resync is tried again when entries could not be inserted: the table does not
/// become larger by trying.
const RETRY_NS: u64 = 30 * NS_PER_S;
/// Time between a loss in this node's own table and the request for a resync: what vanishes
/// together is asked for together.
const LOSS_DELAY_NS: u64 = 200 * NS_PER_MS;
/// Shortest time between two such requests: whatever takes connections away here may go on.
const LOSS_PAUSE_NS: u64 = 10 * NS_PER_S;

/// What one node lacks of one stream.
pub(super) struct Lacks {
    /// Since when connections are missing for want of room or memory.
    lacking: Option<Time>,
    /// The last frame that told of one of them, 0 if none did.
    lacking_seq: u64,
    /// When a connection was last refused for a reason that may last.
    refused_at: Option<Time>,
    /// Whether connections are missing because of that.
    unapplied: bool,
    /// The last frame that told of one of them, 0 if none did.
    unapplied_seq: u64,
    /// Since when a resync is due for their sake: one, for the reason may last.
    unapplied_retry: Option<Time>,
    /// Since when connections are missing that have vanished from the table.
    vanished: Option<Time>,
    /// Whether one has vanished since the present mark was taken, and may have been told of before.
    vanished_again: bool,
    /// The earliest time at which to ask because of that.
    loss_earliest: Time,
}

impl Lacks {
    /// Nothing is lacking.
    pub(super) const NONE: Lacks = Lacks {
        lacking: None,
        lacking_seq: 0,
        refused_at: None,
        unapplied: false,
        unapplied_seq: 0,
        unapplied_retry: None,
        vanished: None,
        vanished_again: false,
        loss_earliest: Time::ZERO,
    };

    /// Whether something that was taken is away again, or had no room.
    pub(super) fn is_short(&self) -> bool {
        self.lacking.is_some() || self.vanished.is_some()
    }

    /// Whether something was refused.
    pub(super) fn has_unapplied(&self) -> bool {
        self.unapplied
    }

    /// Whether something was refused lately, for a reason that may last.
    pub(super) fn has_refused(&self, now: Time) -> bool {
        self.refused_at.is_some_and(|at| now.since(at) < RETRY_NS)
    }

    /// Notes that a connection of frame `seq` could not be inserted for want of room or memory.
    pub(super) fn note_no_room(&mut self, seq: u64, now: Time) {
        self.lacking_seq = seq;
        self.lacking.get_or_insert(now);
    }

    /// Notes that a connection of frame `seq` could not be inserted for a reason that may last.
    pub(super) fn note_refused(&mut self, seq: u64, now: Time) {
        self.refused_at = Some(now);
        if !self.unapplied {
            self.unapplied_retry = Some(now);
        }
        (self.unapplied, self.unapplied_seq) = (true, seq);
    }

    /// Notes that connections have vanished from the table, by nobody's word.
    pub(super) fn note_vanished(&mut self, now: Time) {
        self.vanished_again = true;
        self.vanished.get_or_insert(now);
    }

    /// Takes the news that connections are stamped with another mark from now on.
    pub(super) fn note_stamp(&mut self) {
        self.vanished_again = false;
    }

    /// Takes the news that a resync which began in frame `begin` has told of everything: what was
    /// refused before was told of again by it, also if its BEGIN was lost.
    pub(super) fn note_resynced(&mut self, begin: u64, now: Time) {
        self.lacking = (self.lacking_seq >= begin).then_some(now);
        self.vanished = self.vanished_again.then_some(now);
        self.unapplied = self.unapplied_seq >= begin;
        self.unapplied_retry = self.unapplied_retry.filter(|_| self.unapplied);
    }

    /// When a resync is to be asked for because of what is lacking; `None` if nothing is.
    pub(super) fn ask_at(&self) -> Option<Time> {
        let retry = |since: Option<Time>| since.map(|since| since.after(RETRY_NS));
        let vanished = self
            .vanished
            .map(|since| since.after(LOSS_DELAY_NS).max(self.loss_earliest));
        // Whatever takes connections away: there is too little room for all.
        let missing = retry(self.lacking).or(vanished);
        let at = [missing, retry(self.unapplied_retry)];
        at.into_iter().flatten().min()
    }

    /// Takes the news that a resync is asked for because of what is lacking.
    pub(super) fn note_asked(&mut self, now: Time) {
        self.unapplied_retry = None;
        self.loss_earliest = now.after(LOSS_PAUSE_NS);
    }
}
