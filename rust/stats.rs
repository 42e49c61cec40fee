// SPDX-License-Identifier: GPL-2.0

//! The counters: one table of names and meanings.
//!
//! Every refusal and every loss has a counter of its own, so that whoever reads them learns what
//! happened without a debugger. The names are an interface: they are never changed or reused.
//! Adding is relaxed and may happen in any context.

use crate::atomic::{Atomic, Relaxed};

/// Defines [`Counter`] and the table of names from one list.
macro_rules! counters {
    ($($id:ident $name:literal $meaning:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Counter {
            $(#[doc = $meaning] $id,)*
        }

        impl Counter {
            /// Every counter, in the order in which they are shown.
            pub const ALL: &'static [Counter] = &[$(Counter::$id,)*];

            /// The name under which it is shown.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$id => $name,)* }
            }

            /// What it counts, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Counter::$id => $meaning,)* }
            }
        }
    };
}

counters! {
    // The way from the kernel's events to the sender.
    EventsSeen "events_seen" "conntrack events given to the notifier",
    EventsCoalesced "events_coalesced" "events of an entry that was already waiting to be sent",
    EventsRingFull "events_ring_full" "keys that found the ring full; the scan finds them",
    EventsDestroyDeferred "events_destroy_deferred" "ends of connections that the kernel was asked to offer again",
    EndsByLostAddress "ends_by_lost_address" "ends of masqueraded connections that were not told of: this node has lost their address or interface, and another goes on with them",
    EventsSkippedLocal "events_skipped_local" "events of flows that end on this node",
    EventsSkippedMark "events_skipped_mark" "events of entries without the mark bit that selects them",
    EventsMissed "events_missed" "times ctnetlink was loaded or unloaded; a walk made good for it",
    ScanRuns "scan_runs" "walks of the table for entries that found the ring full",
    // Sending.
    FramesSent "frames_sent" "frames handed to the socket, of any kind",
    RecordsSent "records_sent" "records in frames handed to the socket",
    HeartbeatsSent "heartbeats_sent" "heartbeat frames among those sent",
    SendFailed "send_failed" "frames that the socket refused",
    RecordsNoRoom "records_no_room" "records dropped because the frame was full; a sequence number is skipped for each",
    ExpectationsNotSent "expectations_not_sent" "expectations of connections told of, of which nothing could be told: no name for what the kernel does with them, or too many",
    SecmarksUnsent "secmarks_unsent" "records sent without a security mark: its context has no name, or one of more than 64 bytes",
    FramesRepaired "frames_repaired" "lost frames of which everything was told anew as primary",
    RecordsRepaired "records_repaired" "records told for that",
    RepairsImpossible "repairs_impossible" "NACKs of numbers older than the backlog",
    // Receiving: frames.
    FramesReceived "frames_received" "datagrams received, before any check",
    RecordsReceived "records_received" "records in frames that were accepted",
    HeartbeatsReceived "heartbeats_received" "heartbeat frames accepted",
    FramesShort "frames_short" "refused: shorter than its header says, or than a header",
    FramesBadMagic "frames_bad_magic" "refused: not a frame of this protocol",
    FramesBadVersion "frames_bad_version" "refused: another version of the protocol",
    FramesOtherCluster "frames_other_cluster" "refused: of another cluster",
    FramesOwnNodeId "frames_own_node_id" "refused: sent under our own node id",
    FramesRetired "frames_retired" "refused: sent by an earlier life of a node that has restarted",
    FramesPeersFull "frames_peers_full" "refused: more nodes than the peer table holds",
    FramesStaleEpoch "frames_stale_epoch" "refused: of an epoch older than the newest known",
    FramesLate "frames_late" "refused: sequence number already passed (late or duplicate)",
    FramesUnwanted "frames_unwanted" "refused: data or request of no use in this role",
    FramesGap "frames_gap" "gaps in the sequence numbers",
    FramesLost "frames_lost" "sequence numbers missing in those gaps",
    FramesMadeGood "frames_made_good" "missing sequence numbers that the primary has made good",
    GapsGone "gaps_gone" "gaps that the primary could not make good; a resync follows",
    NacksSent "nacks_sent" "reports of missing numbers sent",
    NacksSuppressed "nacks_suppressed" "reports of missing numbers held back because another backup had sent them",
    NacksReceived "nacks_received" "reports of missing numbers received as primary",
    FramesTrailingGarbage "frames_trailing_garbage" "refused: bytes after the last record",
    FramesRecordOverrun "frames_record_overrun" "refused: a record claims more than the frame holds",
    FramesUnknownKind "frames_unknown_kind" "refused: kind of frame not known",
    FramesBadTtl "frames_bad_ttl" "refused: TTL or hop limit below 255, so not from this link",
    FramesUnknownPeer "frames_unknown_peer" "refused: from an address that is not one of `peers`",
    FramesTooLong "frames_too_long" "refused: longer than any frame may be",
    ReceiveFailed "receive_failed" "errors that the socket gave instead of a datagram",
    FramesWrongDevice "frames_wrong_device" "refused: came in through another device",
    // Receiving: records.
    RecordsUnknownType "records_unknown_type" "skipped: type of record not known",
    RecordsUnknownAttribute "records_unknown_attribute" "skipped: attributes of records not known",
    RecordsMalformed "records_malformed" "refused: record cut short or value out of range",
    RecordsIncomplete "records_incomplete" "refused: updates of connections that are not here; they are told of again, completely",
    // Applying.
    EntriesInserted "entries_inserted" "connections created",
    EntriesUpdated "entries_updated" "connections updated in place",
    EntriesUnchanged "entries_unchanged" "connections that were as the record says",
    EntriesDeleted "entries_deleted" "connections deleted because the primary has them no more",
    EntriesDeleteAbsent "entries_delete_absent" "deletes of connections that were not there",
    EntriesReplacedLocal "entries_replaced_local" "connections of this node's own making that gave way",
    EntriesConflict "entries_conflict" "refused: an assured connection of this node's own making is in the way",
    EntriesOwn "entries_own" "not created: flows through the primary that end on this node, which tracks them by itself",
    EntriesTableFull "entries_table_full" "not created: the conntrack table is full",
    EntriesNoMemory "entries_no_memory" "not created: out of memory",
    EntriesUnsupportedProtocol "entries_unsupported_protocol" "not created: the kernel does not track the protocol",
    EntriesNatDiverged "entries_nat_diverged" "not created: NAT gave another translation than the primary's",
    EntriesBusy "entries_busy" "not created: an entry of the same tuples was coming or going, or the hash chain is too long",
    EntriesRefused "entries_refused" "not created: refused by conntrack for another reason",
    HelpersNotLoaded "helpers_not_loaded" "connections applied without their helper, whose module is not there; it was asked for",
    MastersMissing "masters_missing" "expected connections applied while the one that announced them is not there: an empty one stands in",
    ExpectationsAdded "expectations_added" "expectations created",
    ExpectationsKnown "expectations_known" "expectations that were there already",
    ExpectationsRefused "expectations_refused" "expectations not created: the connection, its helper or a function is not there, or the kernel refused",
    PoliciesLost "timeout_policies_lost" "connections applied without their timeout policy, which this kernel's tracker cannot take",
    SecmarksLost "secmarks_lost" "connections applied without their security mark, whose context this node does not know",
    ExtensionsLost "extensions_lost" "connections applied without all of their extensions, for want of memory or of kernel support",
    EntriesSwept "entries_swept" "connections deleted at the end of a resync that did not have them",
    MasqueradesEnded "masquerades_ended" "masqueraded connections ended after a takeover, since no interface of this node has their address",
    EntriesLostLocally "entries_lost_locally" "copies that ended on this backup though the primary has them; a resync follows",
    ScrubCorrections "scrub_corrections" "differences that a scrub has found and put right; 0 in a healthy cluster",
    // Resync and roles.
    ResyncsRequested "resyncs_requested" "requests for a resync sent",
    ResyncRequestsReceived "resync_requests_received" "requests for a resync received as primary",
    ResyncsServed "resyncs_served" "walks of the table completed as primary, scrubs included",
    ResyncsCompleted "resyncs_completed" "resyncs received from begin to end with nothing missing",
    ResyncsTainted "resyncs_tainted" "resyncs that became useless: what was missing could not be made good, or a new stream began",
    Promotions "promotions" "times this node became primary or took a higher epoch",
    Demotions "demotions" "times this node became backup",
    SplitBrainSeen "split_brain_seen" "times another primary was seen while this node was primary",
    DuplicateNodeIdSeen "duplicate_node_id_seen" "times another node was seen with an id already in use",
}

/// Number of counters.
const COUNT: usize = Counter::ALL.len();

/// All counters of one instance, zero at first.
pub struct Stats {
    values: [Atomic<u64>; COUNT],
}

impl Stats {
    /// Makes counters that are all zero.
    pub fn new() -> Self {
        Self {
            values: core::array::from_fn(|_| Atomic::new(0)),
        }
    }

    /// Adds `n` to a counter.
    pub fn add(&self, counter: Counter, n: u64) {
        // Most numbers that are added are 0 or 1, and a locked instruction costs more than a branch.
        if n == 0 {
            return;
        }
        if let Some(value) = self.values.get(counter as usize) {
            value.fetch_add(n, Relaxed);
        }
    }

    /// Adds one to a counter.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// The value of a counter now.
    pub fn value(&self, counter: Counter) -> u64 {
        self.values
            .get(counter as usize)
            .map_or(0, |value| value.load(Relaxed))
    }

    /// Names and values, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL
            .iter()
            .map(|&counter| (counter.name(), self.value(counter)))
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_fit_to_be_shown() {
        let names: HashSet<_> = Counter::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), COUNT, "no name twice");
        for counter in Counter::ALL {
            let fit = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(counter.name().chars().all(fit), "{}", counter.name());
            assert!(!counter.meaning().is_empty());
        }
    }

    #[test]
    fn each_counter_counts_for_itself() {
        let stats = Stats::new();
        for (n, &counter) in Counter::ALL.iter().enumerate() {
            stats.add(counter, n as u64);
        }
        let values: Vec<_> = stats.iter().map(|(_, value)| value).collect();
        assert_eq!(values, (0..COUNT as u64).collect::<Vec<_>>());
    }
}
