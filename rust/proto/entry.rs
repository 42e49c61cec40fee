// SPDX-License-Identifier: GPL-2.0

//! What is replicated: the key of a connection and its state, as flat structs.
//!
//! These structs are shared with C: `helpers/ct_sync.h` declares the same layout, and both sides
//! assert it at compile time. They hold no pointers and no padding that is not named, so that a
//! key or an entry can be copied, compared and sent by value.

use super::relations::Relations;

/// The `family` of an IPv4 tuple.
pub const FAMILY_V4: u8 = 4;
/// The `family` of an IPv6 tuple.
pub const FAMILY_V6: u8 = 6;

/// Most timeouts of a policy: those of TCP.
pub const POLICY_MAX: usize = 14;
/// Longest security context in bytes: SELinux' with some categories.
pub const SECCTX_MAX: usize = 64;

/// Both directions of a connection are in the zone (`NF_CT_DEFAULT_ZONE_DIR`).
pub const ZONE_DIR_BOTH: u8 = 3;

/// The addresses and ports of one direction of a connection.
///
/// An IPv4 address takes the first four bytes, the other twelve are zero. Ports are in host byte
/// order. What a protocol without ports has in their place is kept as the kernel keeps it in
/// `union nf_conntrack_man_proto`: for ICMP and ICMPv6 `src_port` is the identifier and
/// `dst_port` is type (high byte) and code; for GRE they are the keys; for others they are zero.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Endpoints {
    /// Source address in network byte order.
    pub src: [u8; 16],
    /// Destination address in network byte order.
    pub dst: [u8; 16],
    /// Source port, or what stands in its place.
    pub src_port: u16,
    /// Destination port, or what stands in its place.
    pub dst_port: u16,
}

/// The name of a connection in the whole cluster: its zone and its original tuple.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Key {
    /// The original direction.
    pub original: Endpoints,
    /// Conntrack zone, 0 is the default zone.
    pub zone: u16,
    /// Directions that are in the zone: bit 0 original, bit 1 reply.
    pub zone_dir: u8,
    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub family: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// Hints for the queue ([`Key::DESTROYED`]); zero in an [`Entry`] and on the wire.
    pub hints: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

impl Key {
    /// Hint: the event that queued this key was the end of a connection that peers know.
    pub const DESTROYED: u8 = 1;
}

/// What the tracker of one direction of a TCP connection knows of its window.
#[repr(C)]
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

/// What conntrack keeps in extensions of an entry, and its security mark.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extras {
    /// When the connection began, in nanoseconds since 1970; 0 if that is not recorded.
    pub started_ns: u64,
    /// Packets of both directions, with [`Extras::HAS_COUNTERS`].
    pub packets: [u64; 2],
    /// Bytes of both directions, with [`Extras::HAS_COUNTERS`].
    pub bytes: [u64; 2],
    /// Labels: label `n` is bit `n % 64` of word `n / 64`.
    pub labels: [u64; 2],
    /// The SYN proxy's first sequence number, first timestamp and distance of timestamps, with
    /// [`Extras::HAS_SYNPROXY`].
    pub synproxy: [u32; 3],
    /// Timeouts of the connection's own policy in seconds, by state; the first `policy_length`.
    pub policy_s: [u32; POLICY_MAX],
    /// Security context, the first `secctx_length` bytes.
    pub secctx: [u8; SECCTX_MAX],
    /// Length of the security context; 0 if there is none.
    pub secctx_length: u8,
    /// Timeouts of the policy; 0 if there is none.
    pub policy_length: u8,
    /// `HAS_*`.
    pub has: u8,
    /// Zero.
    pub reserved: u8,
}

impl Extras {
    /// `synproxy` holds something: the connection was opened through a SYN proxy.
    pub const HAS_SYNPROXY: u8 = 1;
    /// `packets` and `bytes` hold something.
    pub const HAS_COUNTERS: u8 = 2;

    /// It has a security mark that cannot be told. Never sent.
    pub const LOST_SECMARK: u8 = 0x80;

    /// Leaves the counters out.
    pub fn forget_counters(&mut self) {
        self.has &= !Self::HAS_COUNTERS;
        (self.packets, self.bytes) = ([0; 2], [0; 2]);
    }

    /// None of these.
    pub const NONE: Extras = Extras {
        started_ns: 0,
        packets: [0; 2],
        bytes: [0; 2],
        labels: [0; 2],
        synproxy: [0; 3],
        policy_s: [0; POLICY_MAX],
        secctx: [0; SECCTX_MAX],
        secctx_length: 0,
        policy_length: 0,
        has: 0,
        reserved: 0,
    };
}

impl Default for Extras {
    fn default() -> Self {
        Self::NONE
    }
}

/// The state of one connection at one moment, complete: what a record says.
#[repr(C)]
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
    /// Zero.
    pub reserved: [u8; 6],
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

// The layout that helpers/ct_sync.h asserts as well.
const _: () = {
    assert!(core::mem::size_of::<Endpoints>() == 36);
    assert!(core::mem::size_of::<Key>() == 44);
    assert!(core::mem::size_of::<TcpWindow>() == 16);
    assert!(core::mem::size_of::<Extras>() == 192);
    assert!(core::mem::size_of::<Entry>() == 432);
    assert!(core::mem::offset_of!(Entry, reply) == 44);
    assert!(core::mem::offset_of!(Entry, status) == 80);
    assert!(core::mem::offset_of!(Entry, tcp_window) == 92);
    assert!(core::mem::offset_of!(Entry, sctp_vtag) == 124);
    assert!(core::mem::offset_of!(Entry, state) == 132);
    assert!(core::mem::offset_of!(Entry, relations) == 144);
    assert!(core::mem::offset_of!(Entry, extras) == 240);
    assert!(core::mem::offset_of!(Extras, synproxy) == 56);
    assert!(core::mem::offset_of!(Extras, secctx) == 124);
};
