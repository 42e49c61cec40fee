// SPDX-License-Identifier: GPL-2.0

//! What a node is told about itself, and the times that follow from it.

use super::time::NS_PER_MS;

/// A node that was not heard for this many heartbeats is taken to be gone: two may be lost.
const FRESH_HEARTBEATS: u64 = 3;
/// Shortest period of heartbeats, so that a wrong setting does not keep the sender busy.
const HEARTBEAT_MIN_NS: u64 = 10 * NS_PER_MS;

/// What a node is told about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Frames of other clusters are ignored.
    pub cluster_id: u32,
    /// Name of the node in the cluster.
    pub node_id: u32,
    /// Random at each start, so that a restarted node starts a new stream.
    pub incarnation: u32,
    /// Most bytes of UDP payload; at least [`FRAME_MIN`](super::frame::FRAME_MIN).
    pub frame_max: usize,
    /// Longest time that a record waits for others, in nanoseconds.
    pub flush: u64,
    /// Period of heartbeats in nanoseconds; the same on all nodes.
    pub heartbeat: u64,
    /// Records of a resync per second, 0 is unlimited.
    pub resync_rate: u32,
    /// Time in which a scrub goes through the whole table, in nanoseconds; 0 is no scrub.
    pub scrub_interval: u64,
}

impl Config {
    /// Silence after which a node is taken to be gone, in nanoseconds.
    pub(super) fn fresh_ns(&self) -> u64 {
        self.heartbeat_ns().saturating_mul(FRESH_HEARTBEATS)
    }

    /// Period of heartbeats in nanoseconds.
    pub(super) fn heartbeat_ns(&self) -> u64 {
        self.heartbeat.max(HEARTBEAT_MIN_NS)
    }

    /// Whether `other` is the same node in the same life and cluster.
    pub(super) fn same_node(&self, other: &Config) -> bool {
        (self.cluster_id, self.node_id, self.incarnation)
            == (other.cluster_id, other.node_id, other.incarnation)
    }
}
