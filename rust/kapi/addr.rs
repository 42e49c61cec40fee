// SPDX-License-Identifier: GPL-2.0

//! What the routing code says of addresses of a namespace.

use kernel::sync::rcu;

use super::abi;
use super::net::Net;
use super::tuple;

impl Net {
    /// Whether an IPv4 address, the first four bytes, is one of this namespace's interfaces, in
    /// whatever VRF.
    pub(crate) fn has_ip(self, address: &[u8; 16], _rcu: &rcu::Guard) -> bool {
        let address = tuple::address_of(address);
        // SAFETY: By the type invariant; under RCU; the address is only read.
        unsafe { abi::ct_sync_ip_is_own(self.raw(), address.as_ptr()) }
    }

    /// Whether packets to an IPv4 address go to every host of a network.
    pub(crate) fn is_ip_of_many(self, address: &[u8; 16]) -> bool {
        let address = tuple::address_of(address);
        // SAFETY: By the type invariant; the address is only read.
        let kind = unsafe { abi::ct_sync_ip_type(self.raw(), address.as_ptr()) };
        matches!(kind, abi::RTN_BROADCAST | abi::RTN_MULTICAST)
    }

    /// Whether an IPv6 address is one of this namespace's interfaces, in whatever VRF.
    pub(crate) fn has_ip6(self, address: &[u8; 16]) -> bool {
        let address = tuple::address_of(address);
        // SAFETY: By the type invariant; the address is only read.
        unsafe { abi::ct_sync_ip6_is_own(self.raw(), address.as_ptr()) }
    }
}
