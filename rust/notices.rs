// SPDX-License-Identifier: GPL-2.0

//! What the protocol found noteworthy, as lines in the log.

use crate::log;
use crate::proto::{Notice, Notices};

/// Writes one line for each. The protocol gives each once, so the log cannot be flooded.
pub(crate) fn write(notices: Notices) {
    notices.for_each(log_one);
}

fn log_one(notice: Notice) {
    match notice {
        Notice::Synced => log::info!(
            Cluster,
            "synced: this backup has all that the primary has\n"
        ),
        Notice::SyncLost => log::info!(
            Cluster,
            "not synced: the primary is silent, or frames were lost\n"
        ),
        Notice::SplitBrain => log::warning!(
            Cluster,
            "another node is primary too: see /proc/net/ct_sync\n"
        ),
        Notice::DuplicateNodeId => {
            log::warning!(Cluster, "two nodes have the same node_id: change one\n")
        }
        Notice::TableSmaller => log::warning!(
            Cluster,
            "nf_conntrack_max is smaller here than on the primary: connections would be lost\n"
        ),
        Notice::Repromoted => log::info!(Cluster, "took a higher epoch: this node has been away\n"),
        Notice::PeersFull => log::warning!(Cluster, "too many nodes: some are ignored\n"),
    }
}
