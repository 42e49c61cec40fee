// SPDX-License-Identifier: GPL-2.0

//! Which counters are 0 in a healthy cluster, and what to do when one is not.

use ct_sync_module::stats::Counter;

/// What to do about a counter that is not 0; `None` for those that count what is normal.
///
/// There is no wildcard, so that whoever adds a counter says here which kind it is.
pub fn remedy(counter: Counter) -> Option<&'static str> {
    use Counter::*;
    Some(match counter {
        EventsRingFull => {
            "more events than the queue takes: the walks find them, but they arrive later"
        }
        EventsMissed => "none: a walk has made good for it",
        SendFailed => {
            "look at syncdev: its link, its address, and rules of nftables for the output"
        }
        RecordsNoRoom => "give syncdev an MTU of 1500 or more",
        ExpectationsNotSent => "expectations of user-space helpers are not replicated",
        SecmarksUnsent => "shorten the security context, or do without it",
        RepairsImpossible => "raise the knob backlog if resyncs are too many",
        FramesShort | FramesBadMagic => {
            "something else sends to this port: see who with ctsync sniff"
        }
        FramesBadVersion => "load the same version of ct_sync on all nodes",
        FramesOtherCluster => "expected where clusters share a network; else make cluster_id equal",
        FramesOwnNodeId => "give each node its own node_id, and look for a loop below syncdev",
        FramesPeersFull => "too many nodes in one cluster: give clusters their own cluster_id",
        FramesGap | FramesLost => {
            "frames are lost on syncdev: look at its errors and drops with ip -s link"
        }
        GapsGone => "frames are lost for longer than the backlog lasts: raise the knob backlog",
        FramesTrailingGarbage | FramesRecordOverrun | FramesTooLong => {
            "damaged or forged frames: see who sends them with ctsync sniff"
        }
        FramesUnknownKind | RecordsUnknownType | RecordsUnknownAttribute => {
            "a newer version sends: load the same version on all nodes"
        }
        FramesBadTtl => {
            "a router is between the nodes, or frames are forged: syncdev must be one link"
        }
        FramesUnknownPeer => "add the address to the knob peers, or look who sends",
        ReceiveFailed => "look at syncdev: its link, its address, and the kernel's log",
        FramesWrongDevice => {
            "frames come in through another interface than syncdev: forged, or a wrong cable"
        }
        RecordsMalformed => {
            "load the same version on all nodes; if it is the same, report it with ctsync report"
        }
        EntriesReplacedLocal => {
            "packets reached this node while it was backup: l2drop keeps them away"
        }
        EntriesConflict => "packets reach this backup: give it l2drop, or take its addresses away",
        EntriesTableFull => "raise net.netfilter.nf_conntrack_max, to the same value on all nodes",
        EntriesNoMemory => "give this node more memory, or all nodes a smaller nf_conntrack_max",
        EntriesUnsupportedProtocol | PoliciesLost => "use the same kernel on all nodes",
        EntriesNatDiverged => "load the same NAT modules and the same ruleset on all nodes",
        EntriesBusy => "raise net.netfilter.nf_conntrack_buckets if it goes on rising",
        EntriesRefused => "load the same conntrack modules on all nodes",
        HelpersNotLoaded => "load the same nf_conntrack_* helpers on all nodes at boot",
        MastersMissing => "none if a resync was running; else report it with ctsync report",
        ExpectationsRefused => "load the same nf_conntrack_* and nf_nat_* helpers on all nodes",
        SecmarksLost => "load the same security policy on all nodes",
        ExtensionsLost => "use the same kernel on all nodes, and look for a want of memory",
        MasqueradesEnded => {
            "give the virtual address to the interface that masquerades, on each node"
        }
        EntriesLostLocally => {
            "do not flush or delete connections on a backup; look at its memory and its table's \
                limit"
        }
        ScrubCorrections => {
            "differences came without a reason that is known: report it with ctsync report"
        }
        ResyncsTainted => "frames are lost during resyncs: lower resync_rate, or look at syncdev",
        SplitBrainSeen => {
            "two nodes were primary: look at syncdev and at what decides over state (keepalived)"
        }
        DuplicateNodeIdSeen => "give each node its own node_id",
        // What happens in a healthy cluster too.
        EventsSeen
        | EventsCoalesced
        | EventsDestroyDeferred
        | EventsSkippedLocal
        | EndsByLostAddress
        | EventsSkippedMark
        | ScanRuns
        | FramesSent
        | RecordsSent
        | HeartbeatsSent
        | FramesRepaired
        | RecordsRepaired
        | FramesReceived
        | RecordsReceived
        | HeartbeatsReceived
        | FramesRetired
        | FramesStaleEpoch
        | FramesLate
        | FramesUnwanted
        | FramesMadeGood
        | NacksSent
        | NacksSuppressed
        | NacksReceived
        | RecordsIncomplete
        | EntriesInserted
        | EntriesUpdated
        | EntriesUnchanged
        | EntriesDeleted
        | EntriesDeleteAbsent
        | EntriesOwn
        | ExpectationsAdded
        | ExpectationsKnown
        | EntriesSwept
        | ResyncsRequested
        | ResyncRequestsReceived
        | ResyncsServed
        | ResyncsCompleted
        | Promotions
        | Demotions => return None,
    })
}

/// The counters that should be 0 and are not, with their values.
pub fn faults(value: impl Fn(Counter) -> u64) -> Vec<(Counter, u64)> {
    let troubled = Counter::ALL
        .iter()
        .filter(|&&counter| remedy(counter).is_some());
    let values = troubled.map(|&counter| (counter, value(counter)));
    values.filter(|&(_, value)| value != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_should_be_zero_is_named() {
        let value = |counter| match counter {
            Counter::FramesSent => 1000,
            Counter::FramesBadTtl => 3,
            _ => 0,
        };
        assert_eq!(faults(value), [(Counter::FramesBadTtl, 3)]);
    }

    #[test]
    fn every_refusal_has_a_remedy() {
        let normal = [
            Counter::FramesStaleEpoch,
            Counter::FramesLate,
            Counter::FramesUnwanted,
            Counter::FramesRetired,
            // Told again, completely, by the primary.
            Counter::RecordsIncomplete,
        ];
        for &counter in Counter::ALL {
            if counter.meaning().starts_with("refused") && !normal.contains(&counter) {
                assert!(remedy(counter).is_some(), "{}", counter.name());
            }
        }
    }
}
