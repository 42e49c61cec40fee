// SPDX-License-Identifier: GPL-2.0

//! Which connection: the key that names it in the whole cluster.
//!
//! A key holds no pointers: it is copied, compared and sent by value.

/// The `family` of an IPv4 tuple.
pub const FAMILY_V4: u8 = 4;
/// The `family` of an IPv6 tuple.
pub const FAMILY_V6: u8 = 6;

/// Both directions of a connection are in the zone (`NF_CT_DEFAULT_ZONE_DIR`).
pub const ZONE_DIR_BOTH: u8 = 3;

/// The addresses and ports of one direction of a connection.
///
/// An IPv4 address takes the first four bytes, the other twelve are zero. Ports are in host byte
/// order. What a protocol without ports has in their place is kept as the kernel keeps it in
/// `union nf_conntrack_man_proto`: for ICMP and ICMPv6 `src_port` is the identifier and
/// `dst_port` is type (high byte) and code; for GRE they are the keys; for others they are zero.
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
    /// Hints for the queue ([`Key::DESTROYED`]); zero in an [`Entry`](super::entry::Entry) and on the wire.
    pub hints: u8,
}

impl Key {
    /// Hint: the event that queued this key was the end of a connection that peers know.
    pub const DESTROYED: u8 = 1;
}
