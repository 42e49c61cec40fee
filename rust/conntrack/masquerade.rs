// SPDX-License-Identifier: GPL-2.0

//! Masqueraded connections: their source is an address that an interface of the node has.
//!
//! The kernel ties such a connection to its interface, and ends it when the interface goes down or
//! loses the address. In a planned takeover that is no end of the connection: VRRP takes the address
//! away, and the other node gets it, and goes on. So the primary does not tell of such an end
//! ([`has_lost_address`]). A copy is tied to no interface; that it is masqueraded is a bit of its
//! status. The node that takes over ties it to the interface that has the address here, or ends it
//! when none has: then it could only translate to the address of another node ([`settle`]).
//!
//! A connection that leaves by another interface than the one that it is tied to is ended by the
//! kernel with the next packet. So only one whose address is of the interface itself is tied; the
//! kernel masquerades to an address of another one where an interface has none.

use kernel::sync::rcu;

use super::status::{MASQUERADED, OF_INTERFACE};
use crate::kapi::conn::{Conn, Fields};
use crate::kapi::netdev::NetDevice;
use crate::kapi::tuple::Direction;
use crate::proto::{Entry, Extras};

/// The interface that has the address to which a connection is masqueraded.
fn device_of_address<'g>(entry: &Fields, rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
    let reply = entry.tuple(Direction::Reply);
    let address = reply.endpoints().dst;
    entry.net().device_of(reply.family(), &address, rcu)
}

/// Reads whether an entry is masqueraded, and how.
pub(super) fn read(entry: &Fields, rcu: &rcu::Guard, record: &mut Entry) {
    let extras = &mut record.extras;
    let tied_to = entry.masquerade();
    let of_interface = if tied_to != 0 {
        device_of_address(entry, rcu).is_some_and(|device| device.ifindex() == tied_to)
    } else if entry.status().has(MASQUERADED) {
        entry.status().has(OF_INTERFACE)
    } else {
        return;
    };
    extras.has |= Extras::MASQUERADED;
    if of_interface {
        extras.has |= Extras::OF_INTERFACE;
    }
}

/// Notes of a new copy that it is masqueraded, if the record says so.
pub(super) fn write(entry: &Fields, record: &Entry) {
    let has = record.extras.has;
    if has & Extras::MASQUERADED != 0 {
        let of_interface = match has & Extras::OF_INTERFACE {
            0 => 0,
            _ => OF_INTERFACE.mask(),
        };
        entry.status().change(0, MASQUERADED.mask() | of_interface);
    }
}

/// Whether a connection ends because this node has lost the address to which it was masqueraded, or
/// the interface. One whose time was up has ended by itself.
pub(crate) fn has_lost_address(conn: &Conn) -> bool {
    let tied_to = conn.masquerade();
    if tied_to == 0 || conn.is_expired() {
        return false;
    }
    let rcu = rcu::read_lock();
    let up = conn
        .net()
        .device(tied_to, &rcu)
        .is_some_and(NetDevice::is_up);
    !up || device_of_address(conn, &rcu).is_none()
}

/// Ties an entry of a node that becomes a backup to no interface any more: the address goes to
/// another node, and the copy lives on.
pub(super) fn untie(entry: &Fields) {
    if entry.masquerade() != 0 {
        entry
            .status()
            .change(0, MASQUERADED.mask() | OF_INTERFACE.mask());
        entry.set_masquerade(0);
    }
}

/// Ties a masqueraded copy to the interface that has its address, some time after a takeover.
/// Returns false if none has: then it is to be ended.
pub(super) fn settle(entry: &Fields) -> bool {
    if !entry.status().has(MASQUERADED) || entry.masquerade() != 0 {
        return true;
    }
    let rcu = rcu::read_lock();
    let Some(device) = device_of_address(entry, &rcu) else {
        return false;
    };
    // Nothing leaves by a loopback device, on which an address may be that this node only answers for.
    if entry.status().has(OF_INTERFACE) && !device.is_loopback() {
        entry.set_masquerade(device.ifindex());
    }
    true
}
