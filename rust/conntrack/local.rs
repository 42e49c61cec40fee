// SPDX-License-Identifier: GPL-2.0

//! Which connections are this node's own affair: those that begin or end on it. No list of
//! addresses is needed.

use kernel::sync::rcu;

use crate::kapi::conn::Fields;
use crate::kapi::net::Net;
use crate::kapi::tuple::Direction;
use crate::proto::entry::FAMILY_V6;
use crate::proto::Entry;

/// First byte of a multicast address of IPv6 (RFC 4291).
const IP6_MULTICAST: u8 = 0xff;

/// Whether an address is this node's own, in whatever VRF, or one that every node receives itself
/// (broadcast, multicast).
fn is_local_address(net: Net, family: u8, address: &[u8; 16], rcu: &rcu::Guard) -> bool {
    if family == FAMILY_V6 {
        return address.first() == Some(&IP6_MULTICAST) || net.has_ip6(address, None);
    }
    net.has_ip(address, rcu) || net.is_ip_of_many(address)
}

/// Whether a connection begins or ends on this node: its original source or its reply source is a
/// local address.
pub(super) fn is_local(net: Net, entry: &Fields, rcu: &rcu::Guard) -> bool {
    Direction::BOTH.into_iter().any(|direction| {
        let tuple = entry.tuple(direction);
        is_local_address(net, tuple.family(), &tuple.endpoints().src, rcu)
    })
}

/// The same of the connection that a record is about.
pub(super) fn is_local_record(net: Net, record: &Entry) -> bool {
    let rcu = rcu::read_lock();
    [&record.key.original, &record.reply]
        .into_iter()
        .any(|ends| is_local_address(net, record.key.family, &ends.src, &rcu))
}
