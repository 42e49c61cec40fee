// SPDX-License-Identifier: GPL-2.0

//! Tuples and zones: between the kernel's and the flat ones of the protocol. Plain values.

use super::abi;
use crate::proto::entry::{FAMILY_V4, FAMILY_V6};
use crate::proto::{Endpoints, Key};

/// A direction of a connection (`enum ip_conntrack_dir`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// That of its first packet.
    Original,
    /// The other one.
    Reply,
}

impl Direction {
    /// Both, in the order of the kernel's arrays.
    pub(crate) const BOTH: [Self; 2] = [Self::Original, Self::Reply];

    /// The kernel's number of it.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Original => abi::IP_CT_DIR_ORIGINAL,
            Self::Reply => abi::IP_CT_DIR_REPLY,
        }
    }
}

/// The bytes of an address, in network byte order.
pub(super) fn bytes_of(address: abi::inet_addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip(address) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// The same backwards.
pub(super) fn address_of(bytes: &[u8; 16]) -> abi::inet_addr {
    let mut address = [0; 4];
    for (word, part) in address.iter_mut().zip(bytes.chunks_exact(4)) {
        if let [a, b, c, d] = *part {
            *word = u32::from_ne_bytes([a, b, c, d]);
        }
    }
    address
}

/// `NFPROTO_*` of a family.
pub(super) fn l3num(family: u8) -> u16 {
    u16::from(match family {
        FAMILY_V6 => abi::NFPROTO_IPV6,
        _ => abi::NFPROTO_IPV4,
    })
}

/// A family of `NFPROTO_*`.
pub(super) fn family(l3num: u16) -> u8 {
    match l3num == u16::from(abi::NFPROTO_IPV6) {
        true => FAMILY_V6,
        false => FAMILY_V4,
    }
}

/// One direction of a connection: addresses, ports, protocol and family (`struct
/// nf_conntrack_tuple`).
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Tuple(pub(super) abi::nf_conntrack_tuple);

impl Tuple {
    /// The tuple of these endpoints; of an IPv4 address only the first four bytes count.
    pub(crate) fn new(ends: &Endpoints, family: u8, protocol: u8, direction: Direction) -> Self {
        let cut = |bytes: &[u8; 16]| match (address_of(bytes), family) {
            (address, FAMILY_V6) => address,
            ([first, ..], _) => [first, 0, 0, 0],
        };
        Self(abi::nf_conntrack_tuple {
            src_u3: cut(&ends.src),
            src_u: ends.src_port.to_be(),
            src_l3num: l3num(family),
            dst_u3: cut(&ends.dst),
            dst_u: ends.dst_port.to_be(),
            dst_protonum: protocol,
            dst_dir: direction.number(),
        })
    }

    /// The reply direction that a connection with this original direction has without NAT; `None`
    /// if the kernel knows no inverse.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let mut inverse = abi::nf_conntrack_tuple::default();
        // SAFETY: Both tuples are ours; the function reads one and writes the other.
        unsafe { abi::nf_ct_invert_tuple(&raw mut inverse, &raw const self.0) }
            .then_some(Self(inverse))
    }

    /// Addresses and ports.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let cut = |address: abi::inet_addr| match (address, self.family()) {
            (address, FAMILY_V6) => bytes_of(address),
            ([first, ..], _) => bytes_of([first, 0, 0, 0]),
        };
        Endpoints {
            src: cut(self.0.src_u3),
            dst: cut(self.0.dst_u3),
            src_port: u16::from_be(self.0.src_u),
            dst_port: u16::from_be(self.0.dst_u),
        }
    }

    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub(crate) fn family(&self) -> u8 {
        family(self.0.src_l3num)
    }

    /// IP protocol number.
    pub(crate) fn protocol(&self) -> u8 {
        self.0.dst_protonum
    }
}

/// As `nf_ct_tuple_equal()`: the direction does not matter.
impl PartialEq for Tuple {
    fn eq(&self, other: &Self) -> bool {
        let parts = |tuple: &abi::nf_conntrack_tuple| {
            (
                (tuple.src_u3, tuple.src_u, tuple.src_l3num),
                (tuple.dst_u3, tuple.dst_u, tuple.dst_protonum),
            )
        };
        parts(&self.0) == parts(&other.0)
    }
}

/// The conntrack zone of an entry, and which of its directions are in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its number; 0 is the default zone.
    pub(crate) id: u16,
    /// Bit 0 original, bit 1 reply.
    pub(crate) dir: u8,
}

impl Zone {
    /// That of a connection.
    pub(crate) fn of(key: &Key) -> Self {
        Self {
            id: key.zone,
            dir: key.zone_dir,
        }
    }

    /// The zone to look one direction of a connection up in: a zone of one direction leaves the
    /// tuple of the other in no zone.
    pub(crate) fn in_direction(self, direction: Direction) -> Self {
        let inside = self.dir & (1 << direction.number()) != 0;
        Self {
            id: if inside {
                self.id
            } else {
                abi::NF_CT_DEFAULT_ZONE_ID
            },
            dir: abi::NF_CT_DEFAULT_ZONE_DIR,
        }
    }

    /// The kernel's struct.
    pub(super) fn raw(self) -> abi::nf_conntrack_zone {
        abi::nf_conntrack_zone {
            id: self.id,
            flags: 0,
            dir: self.dir,
        }
    }
}
