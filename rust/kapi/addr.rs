// SPDX-License-Identifier: GPL-2.0

//! What the kernel says of addresses of a namespace: whose they are, and where.

use core::ptr;

use kernel::sync::rcu;

use super::abi;
use super::net::Net;
use super::netdev::NetDevice;
use super::tuple::address_of;
use crate::proto::entry::FAMILY_V6;

impl Net {
    /// Whether an IPv4 address, the first four bytes, is one of this namespace's interfaces, in
    /// whatever VRF.
    pub(crate) fn has_ip(self, address: &[u8; 16], rcu: &rcu::Guard) -> bool {
        self.device_of_ip(address, rcu).is_some()
    }

    fn device_of_ip<'g>(self, address: &[u8; 16], _rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        let [address, ..] = address_of(address);
        // SAFETY: By the type invariant; under RCU.
        let dev = unsafe { abi::__ip_dev_find(self.raw(), address, false) };
        // SAFETY: It is not freed before a grace period is over.
        unsafe { NetDevice::from_raw(dev) }
    }

    /// The interface that has an address.
    pub(crate) fn device_of<'g>(
        self,
        family: u8,
        address: &[u8; 16],
        rcu: &'g rcu::Guard,
    ) -> Option<&'g NetDevice> {
        if family != FAMILY_V6 {
            return self.device_of_ip(address, rcu);
        }
        let address = address_of(address);
        let address = address.as_ptr().cast();
        // SAFETY: By the type invariant; under RCU; the address is only read.
        let dev = unsafe { abi::ipv6_dev_find(self.raw(), address, ptr::null_mut()) };
        // SAFETY: It is not freed before a grace period is over.
        unsafe { NetDevice::from_raw(dev) }
    }

    /// The interface of that index.
    pub(crate) fn device<'g>(self, ifindex: u32, _rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        // SAFETY: By the type invariant; under RCU.
        let dev = unsafe { abi::dev_get_by_index_rcu(self.raw(), ifindex as i32) };
        // SAFETY: It is not freed before a grace period is over.
        unsafe { NetDevice::from_raw(dev) }
    }

    /// Whether packets to an IPv4 address go to every host of a network.
    pub(crate) fn is_ip_of_many(self, address: &[u8; 16]) -> bool {
        let [address, ..] = address_of(address);
        // SAFETY: By the type invariant.
        let kind = unsafe { abi::inet_addr_type(self.raw(), address) };
        matches!(kind, abi::RTN_BROADCAST | abi::RTN_MULTICAST)
    }

    /// Whether an IPv6 address is one of this namespace's interfaces, in whatever VRF; with `on`,
    /// of that interface if it is link-local.
    pub(crate) fn has_ip6(self, address: &[u8; 16], on: Option<&NetDevice>) -> bool {
        let address = address_of(address);
        let dev = on.map_or(ptr::null_mut(), NetDevice::as_ptr);
        // SAFETY: By the type invariant; address and device are only read.
        unsafe { abi::ipv6_chk_addr(self.raw(), address.as_ptr().cast(), dev, 0) != 0 }
    }
}
