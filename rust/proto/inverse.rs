// SPDX-License-Identifier: GPL-2.0

//! The reply that a connection without NAT has, as `nf_ct_invert_tuple` makes it (§4.4).

use super::entry::{Endpoints, Key, FAMILY_V4};

/// IP protocol numbers that are told apart here and in the records.
pub(super) const ICMP: u8 = 1;
/// TCP.
pub(super) const TCP: u8 = 6;
/// ICMPv6.
const ICMPV6: u8 = 58;
/// SCTP.
pub(super) const SCTP: u8 = 132;

/// Requests and replies of ICMP that are each other's answer.
const ICMP_PAIRS: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
/// Requests and replies of ICMPv6 that are each other's answer.
const ICMPV6_PAIRS: [(u8, u8); 2] = [(128, 129), (139, 140)];

/// The reply direction of `key` if there is no NAT.
pub(super) fn inverse(key: &Key) -> Endpoints {
    let original = &key.original;
    let (src_port, dst_port) = match (key.protocol, key.family == FAMILY_V4) {
        (ICMP, true) => (original.src_port, answer(&ICMP_PAIRS, original.dst_port)),
        (ICMPV6, false) => (original.src_port, answer(&ICMPV6_PAIRS, original.dst_port)),
        _ => (original.dst_port, original.src_port),
    };
    Endpoints {
        src: original.dst,
        dst: original.src,
        src_port,
        dst_port,
    }
}

/// Type and code of the answer to `type_code`; unchanged where the kernel knows no answer.
fn answer(pairs: &[(u8, u8)], type_code: u16) -> u16 {
    let [kind, code] = type_code.to_be_bytes();
    let reply = pairs.iter().find_map(|&(a, b)| match kind {
        k if k == a => Some(b),
        k if k == b => Some(a),
        _ => None,
    });
    u16::from_be_bytes([reply.unwrap_or(kind), code])
}
