// SPDX-License-Identifier: GPL-2.0

//! Whether a node has been told of everything that the primary of a stream has (§8.2).
//!
//! A resync counts if the node was stamping before it began and lacks nothing up to its END: then
//! what does not bear the stamp is what the primary does not have.

use super::wire::record::ResyncEnd;
use crate::stats::{Counter, Stats};

/// An END that has come, though something before it may still be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    end: ResyncEnd,
    /// Number of the frame that it came in.
    seq: u64,
}

/// What the end of a resync means for the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sweep {
    /// The node has been told of everything: the rest goes.
    Resync,
    /// The same, and there should be no rest.
    Scrub,
}

/// What has become of a resync whose END has come, with everything up to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finished {
    /// Records of it were not understood: a sweep would delete what they told of.
    Short,
    /// It told of everything.
    Whole {
        /// Number of the frame in which it began.
        begin: u64,
        /// What is to go now.
        sweep: Sweep,
    },
}

/// What a node has been told by resyncs of one stream.
pub(super) struct Resync {
    /// The first number from which on everything is taken, or missing and known to be, and stamped
    /// with the present mark.
    since: Option<u64>,
    /// Whether a new mark is to be taken before the next connection is stamped.
    restamp: bool,
    /// Connections told of since `since`.
    told: u32,
    /// Whether all that the primary had was received once, and nothing was lost for good since.
    complete: bool,
    ended: Option<Ended>,
    /// Generation of the scrub that is being received, while everything was in order.
    scrub: Option<u32>,
}

impl Resync {
    /// Nothing was told yet.
    pub(super) const NEW: Resync = Resync {
        since: None,
        restamp: true,
        told: 0,
        complete: false,
        ended: None,
        scrub: None,
    };

    /// Whether the node has been told of everything once, and nothing was lost for good since.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The number from which on a resync is of use, 0 if none is known.
    pub(super) fn since(&self) -> u64 {
        self.since.unwrap_or(0)
    }

    /// Whether a scrub is being received in which everything was in order.
    pub(super) fn in_scrub(&self) -> bool {
        self.scrub.is_some()
    }

    /// Takes note of the first number of the stream that is taken.
    pub(super) fn start_at(&mut self, seq: u64) {
        self.since = Some(seq);
    }

    /// Counts a resync that was being received and has become useless.
    pub(super) fn count_broken(&self, stats: &Stats) {
        if !self.complete && self.since.is_some() {
            stats.count(Counter::ResyncsTainted);
        }
    }

    /// Begins anew: what comes from number `since` on is stamped with another mark, and a resync that
    /// begins then counts.
    pub(super) fn restart(&mut self, since: Option<u64>, stats: &Stats) {
        self.count_broken(stats);
        self.stamp_from(since);
        self.complete = false;
        self.scrub = None;
    }

    /// Has connections stamped with another mark from number `since` on.
    fn stamp_from(&mut self, since: Option<u64>) {
        self.since = since;
        self.restamp = true;
        self.told = 0;
        self.ended = None;
    }

    /// Whether another mark is to be taken now.
    pub(super) fn take_restamp(&mut self) -> bool {
        core::mem::take(&mut self.restamp)
    }

    /// Counts a connection told of.
    pub(super) fn note_told(&mut self) {
        self.told = self.told.saturating_add(1);
    }

    /// Takes a BEGIN that came in frame `seq`; `healthy` says that the node lacked nothing then.
    /// Returns whether connections are stamped with another mark from now on.
    ///
    /// A BEGIN is no more than a good moment for another mark, when no resync is being received: one
    /// that is lost is not missed.
    pub(super) fn begin(
        &mut self,
        generation: u32,
        scrub: bool,
        healthy: bool,
        seq: Option<u64>,
    ) -> bool {
        self.scrub = (scrub && healthy).then_some(generation);
        let idle = self.complete && self.ended.is_none();
        if idle {
            self.stamp_from(seq);
        }
        idle
    }

    /// Takes an END that came in frame `seq`. [`Resync::finish`] says what follows from it.
    pub(super) fn end(&mut self, end: ResyncEnd, seq: u64) {
        if self.since.is_some_and(|since| since <= end.begin) && self.ended.is_none() {
            self.ended = Some(Ended { end, seq });
        }
    }

    /// Says what has become of a resync, once its END has come and nothing up to it is missing any
    /// more; `first_missing` is the lowest number that is.
    pub(super) fn finish(&mut self, first_missing: Option<u64>) -> Option<Finished> {
        let Ended { end, seq } = self.ended?;
        if first_missing.is_some_and(|first| first <= seq) {
            return None;
        }
        self.ended = None;
        if self.told < end.count {
            return Some(Finished::Short);
        }
        self.complete = true;
        let scrub = self.scrub.take() == Some(end.generation);
        Some(Finished::Whole {
            begin: end.begin,
            sweep: if scrub { Sweep::Scrub } else { Sweep::Resync },
        })
    }
}
