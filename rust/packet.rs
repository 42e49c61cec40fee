// SPDX-License-Identifier: GPL-2.0

//! What the beginning of a packet says of it. Softirq.

use crate::kapi::skb::{Skb, ETH_P_IP, ETH_P_IPV6};

/// UDP (RFC 768).
const UDP: u8 = 17;
/// Length of a header of IPv6 (RFC 8200).
const IPV6_LEN: u32 = 40;
/// A fragment: "more fragments", or an offset (RFC 791).
const IPV4_FRAGMENT: u16 = 0x3fff;

/// The protocol above IP, and where its header is, from the network header on. `None` of other
/// packets, and of fragments of IPv4, most of which have none. Of IPv6 without extension headers.
fn transport(skb: &Skb) -> Option<(u8, u32)> {
    match skb.protocol() {
        ETH_P_IP => {
            let [version_length, _, _, _, _, _, fragment_high, fragment_low, _, protocol] =
                skb.bytes(0)?;
            if u16::from_be_bytes([fragment_high, fragment_low]) & IPV4_FRAGMENT != 0 {
                return None;
            }
            Some((protocol, u32::from(version_length & 0xf) * 4))
        }
        ETH_P_IPV6 => {
            let [_, _, _, _, _, _, next_header] = skb.bytes(0)?;
            Some((next_header, IPV6_LEN))
        }
        _ => None,
    }
}

/// The protocol of a packet above IP, if it is one of IP's.
pub(crate) fn protocol(skb: &Skb) -> Option<u8> {
    Some(transport(skb)?.0)
}

/// The port that a datagram of UDP is for.
pub(crate) fn udp_port(skb: &Skb) -> Option<u16> {
    let (protocol, offset) = transport(skb)?;
    if protocol != UDP {
        return None;
    }
    let [_, _, high, low] = skb.bytes(offset)?;
    Some(u16::from_be_bytes([high, low]))
}
