// SPDX-License-Identifier: GPL-2.0

//! The reply that a connection without NAT has, as `nf_ct_invert_tuple` makes it (§4.4).

use super::key::{Endpoints, Key, FAMILY_V4};

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

#[cfg(test)]
mod tests {
    use super::super::key::FAMILY_V6;
    use super::*;

    /// The ports of the inverse.
    fn ports(family: u8, protocol: u8, src_port: u16, dst_port: u16) -> (u16, u16) {
        let key = Key {
            original: Endpoints {
                src: [1; 16],
                dst: [2; 16],
                src_port,
                dst_port,
            },
            family,
            protocol,
            ..Key::default()
        };
        let reply = inverse(&key);
        assert_eq!((reply.src, reply.dst), ([2; 16], [1; 16]));
        (reply.src_port, reply.dst_port)
    }

    #[test]
    fn ports_are_exchanged() {
        assert_eq!(ports(FAMILY_V4, TCP, 1, 2), (2, 1));
        assert_eq!(ports(FAMILY_V6, 47, 1, 2), (2, 1), "GRE keys");
        assert_eq!(
            ports(FAMILY_V6, ICMP, 1, 2),
            (2, 1),
            "not a protocol of IPv6"
        );
    }

    #[test]
    fn echo_answers_echo() {
        for (request, reply) in ICMP_PAIRS {
            let (request, reply) = (u16::from(request) << 8, u16::from(reply) << 8);
            assert_eq!(ports(FAMILY_V4, ICMP, 77, request | 3), (77, reply | 3));
            assert_eq!(ports(FAMILY_V4, ICMP, 77, reply), (77, request));
        }
        assert_eq!(ports(FAMILY_V6, ICMPV6, 77, 128 << 8), (77, 129 << 8));
        assert_eq!(ports(FAMILY_V6, ICMPV6, 77, 140 << 8), (77, 139 << 8));
        assert_eq!(
            ports(FAMILY_V4, ICMP, 77, 3 << 8),
            (77, 3 << 8),
            "no answer"
        );
    }
}
