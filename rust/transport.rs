// SPDX-License-Identifier: GPL-2.0

//! Where frames go and whose are taken: a multicast group, or a list of unicast peers.
//!
//! Plain values; they change only by starting another engine.

use core::net::IpAddr;

use kernel::prelude::*;

use crate::proto::entry::{FAMILY_V4, FAMILY_V6};
use crate::proto::Address;

/// Most peers: a copy of each frame is sent to each, and a cluster is a handful of nodes.
pub(crate) const PEERS_LISTED_MAX: usize = 16;

/// The group at the start: 224.0.0.254, which RFC 4727 sets aside for uses like this one. It is
/// link-local, so switches that snoop on IGMP flood it even where nobody asks for members.
const GROUP_DEFAULT: Address = Address {
    family: FAMILY_V4,
    bytes: [224, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Addresses of nodes, all of one family, no one twice.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PeerList {
    addresses: [Address; PEERS_LISTED_MAX],
    count: usize,
}

impl PeerList {
    /// Reads addresses that are separated by spaces or commas.
    ///
    /// # Errors
    ///
    /// `EINVAL` if one of them is none, is not a single host's or is there twice, if they are of
    /// both families, and if there are more than [`PEERS_LISTED_MAX`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let separates = |c: char| c == ',' || c.is_ascii_whitespace();
        for word in text.split(separates).filter(|word| !word.is_empty()) {
            list.push(parse_unicast(word)?)?;
        }
        Ok(list)
    }

    fn push(&mut self, address: Address) -> Result {
        let fits = |other: &Address| other.family == address.family && *other != address;
        if !self.as_slice().iter().all(fits) {
            return Err(EINVAL);
        }
        *self.addresses.get_mut(self.count).ok_or(EINVAL)? = address;
        self.count += 1;
        Ok(())
    }

    /// The addresses.
    pub(crate) fn as_slice(&self) -> &[Address] {
        self.addresses.get(..self.count).unwrap_or_default()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl kernel::fmt::Display for PeerList {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        for (i, address) in self.as_slice().iter().enumerate() {
            if i != 0 {
                f.write_str(" ")?;
            }
            kernel::fmt::Display::fmt(&Readable::new(address), f)?;
        }
        Ok(())
    }
}

/// How the nodes of a cluster reach each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transport {
    /// One frame for all goes to this group, which all have joined, unless there are peers.
    pub(crate) group: Address,
    /// A copy goes to each of these.
    pub(crate) peers: PeerList,
}

impl Transport {
    /// Multicast to the default group.
    pub(crate) fn new() -> Self {
        Self {
            group: GROUP_DEFAULT,
            peers: PeerList::default(),
        }
    }

    /// The group to join, if there is one.
    pub(crate) fn joined(&self) -> Option<&Address> {
        self.peers.is_empty().then_some(&self.group)
    }

    /// Where each frame is sent.
    pub(crate) fn destinations(&self) -> &[Address] {
        match self.joined() {
            Some(group) => core::slice::from_ref(group),
            None => self.peers.as_slice(),
        }
    }

    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub(crate) fn family(&self) -> u8 {
        self.destinations()
            .first()
            .map_or(FAMILY_V4, |address| address.family)
    }

    /// Whether frames from this address are taken.
    pub(crate) fn accepts(&self, from: &Address) -> bool {
        self.joined().is_some() || self.peers.as_slice().contains(from)
    }
}

/// Reads a multicast group.
///
/// # Errors
///
/// `EINVAL` if it is no address or no multicast address.
pub(crate) fn parse_group(text: &str) -> Result<Address> {
    let address: IpAddr = text.parse().map_err(|_| EINVAL)?;
    match address.is_multicast() {
        true => Ok(plain(address)),
        false => Err(EINVAL),
    }
}

/// Reads the address of one host on a link.
fn parse_unicast(text: &str) -> Result<Address> {
    let address: IpAddr = text.parse().map_err(|_| EINVAL)?;
    let special = match address {
        IpAddr::V4(v4) => v4.is_broadcast(),
        // The socket takes only IPv6.
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    if special || address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return Err(EINVAL);
    }
    Ok(plain(address))
}

/// An address of the protocol's.
fn plain(address: IpAddr) -> Address {
    let mut bytes = [0; 16];
    let family = match address {
        IpAddr::V4(v4) => {
            bytes[..4].copy_from_slice(&v4.octets());
            FAMILY_V4
        }
        IpAddr::V6(v6) => {
            bytes = v6.octets();
            FAMILY_V6
        }
    };
    Address { family, bytes }
}

/// An address, to be shown to people.
pub(crate) struct Readable(IpAddr);

impl Readable {
    /// The address of the protocol's.
    pub(crate) fn new(address: &Address) -> Self {
        let [a, b, c, d, ..] = address.bytes;
        Self(match address.family {
            FAMILY_V6 => IpAddr::from(address.bytes),
            _ => IpAddr::from([a, b, c, d]),
        })
    }
}

impl kernel::fmt::Display for Readable {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}
