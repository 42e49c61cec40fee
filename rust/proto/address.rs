// SPDX-License-Identifier: GPL-2.0

//! The address that a frame came from, for people to read; nothing is decided by it.

/// Where a datagram came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// [`FAMILY_V4`](super::key::FAMILY_V4), [`FAMILY_V6`](super::key::FAMILY_V6), or 0 when
    /// nothing is known.
    pub family: u8,
    /// The address in network byte order; an IPv4 address takes the first four bytes.
    pub bytes: [u8; 16],
}
