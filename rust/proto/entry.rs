// SPDX-License-Identifier: GPL-2.0

//! What is replicated: a connection with its whole state, as a flat struct.
//!
//! A plain value without pointers, made up of those of `key.rs`, `extras.rs` and `relations.rs`.

pub use super::extras::{Extras, POLICY_MAX, SECCTX_MAX};
pub use super::key::{Endpoints, Key, FAMILY_V4, FAMILY_V6, ZONE_DIR_BOTH};
use super::relations::Relations;

/// What the tracker of one direction of a TCP connection knows of its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpWindow {
    /// Highest sequence number sent, plus length.
    pub end: u32,
    /// Highest sequence number that the peer allowed.
    pub max_end: u32,
    /// Largest window advertised.
    pub max_window: u32,
    /// Highest acknowledgement seen.
    pub max_ack: u32,
}

/// The state of one connection at one moment, complete: what a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Zone and original tuple.
    pub key: Key,
    /// The reply direction; differs from the inverse of the original where there is NAT.
    pub reply: Endpoints,
    /// `IPS_*` bits that mean the same on every node ([`Entry::STATUS_MASK`]).
    pub status: u32,
    /// Connection mark.
    pub mark: u32,
    /// Seconds left; meaningful only with `IPS_FIXED_TIMEOUT`.
    pub timeout_s: u32,
    /// Windows of both directions, present with [`Entry::HAS_TCP_WINDOW`].
    pub tcp_window: [TcpWindow; 2],
    /// SCTP verification tags of both directions, present with [`Entry::HAS_SCTP`].
    pub sctp_vtag: [u32; 2],
    /// TCP (`enum tcp_conntrack`) or SCTP (`enum sctp_conntrack`) state.
    pub state: u8,
    /// `IP_CT_TCP_FLAG_*` of both directions.
    pub tcp_flags: [u8; 2],
    /// Window scale of both directions, 0 to 14.
    pub tcp_scale: [u8; 2],
    /// `HAS_*`: which optional parts hold something.
    pub has: u8,
    /// What ties it to other connections.
    pub relations: Relations,
    /// What is in extensions.
    pub extras: Extras,
}

impl Entry {
    /// `state`, `tcp_flags` and `tcp_scale` hold the state of a TCP connection.
    pub const HAS_TCP: u8 = 1;
    /// `tcp_window` holds the exact windows (SYN_SENT only).
    pub const HAS_TCP_WINDOW: u8 = 2;
    /// `state` and `sctp_vtag` hold the state of an SCTP association.
    pub const HAS_SCTP: u8 = 4;

    /// Peers have been told of the connection before. Never sent.
    pub const KNOWN: u8 = 0x20;
    /// An event of the connection waits to be told of. Never sent.
    pub const DIRTY: u8 = 0x40;
    /// Only `key` holds something: the connection is not replicated any more. Never sent.
    pub const WITHDRAWN: u8 = 0x80;

    /// `IPS_SEEN_REPLY`.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// `IPS_ASSURED`.
    pub const ASSURED: u32 = 1 << 2;
    /// `IPS_SRC_NAT`.
    pub const SRC_NAT: u32 = 1 << 4;
    /// `IPS_DST_NAT`.
    pub const DST_NAT: u32 = 1 << 5;
    /// `IPS_FIXED_TIMEOUT`.
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
    /// The status bits that are sent: all others are the business of one node.
    pub const STATUS_MASK: u32 =
        Self::SEEN_REPLY | Self::ASSURED | Self::SRC_NAT | Self::DST_NAT | Self::FIXED_TIMEOUT;
}
