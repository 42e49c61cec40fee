// SPDX-License-Identifier: GPL-2.0

//! An entry as a value: what is told of it, and whether it is.
//!
//! Context: threads, or a bucket of the table that is locked.

use kernel::sync::rcu;

use super::status::{self, DIRTY, SHARED};
use super::{extensions, lifetime, local, masquerade, relations, windows};
use crate::kapi::conn::{Bit, Conn, Fields};
use crate::kapi::net::Net;
use crate::kapi::proto_state::protocol;
use crate::kapi::tuple::Direction;
use crate::proto::Entry;

/// What a lookup found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No such connection, or one that is dying.
    Absent,
    /// There is one.
    Present,
    /// One that ends on this node.
    Local,
    /// One without the mark that selects what is replicated.
    Unmarked,
    /// One that is not replicated any more, of which peers were told before.
    Withdrawn,
}

/// What is replicated: entries that have one of the bits of `mark_mask` in their mark;
/// all when it is 0.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// Bits of the connection mark.
    pub(crate) mark_mask: u32,
    /// Whether their counters are.
    pub(crate) counters: bool,
}

impl Filter {
    /// Whether an entry is replicated: present, local or unmarked.
    fn select(self, net: Net, conn: &Conn, rcu: &rcu::Guard) -> Found {
        // A clashing twin lives for a moment only and may not be copied.
        if conn.is_clash() {
            return Found::Local;
        }
        if self.mark_mask != 0 && conn.mark().is_some_and(|mark| mark & self.mark_mask == 0) {
            return Found::Unmarked;
        }
        match local::is_local(net, conn, rcu) {
            true => Found::Local,
            false => Found::Present,
        }
    }
}

/// Reads an entry as it is.
fn read_entry(conn: &Conn, filter: Filter, rcu: &rcu::Guard, entry: &mut Entry) {
    *entry = Entry::default();
    entry.key = conn.key();
    entry.reply = conn.tuple(Direction::Reply).endpoints();
    entry.status = (lifetime::own_status(conn) as u32) & Entry::STATUS_MASK;
    entry.mark = conn.mark().unwrap_or(0);
    if entry.status & Entry::FIXED_TIMEOUT != 0 {
        entry.timeout_s = lifetime::seconds_left(conn);
    }
    match entry.key.protocol {
        protocol::TCP => windows::read(conn, entry),
        protocol::SCTP => read_sctp(conn, entry),
        _ => {}
    }
    relations::read(conn, rcu, entry);
    extensions::read(conn, rcu, filter.counters, &mut entry.extras);
    masquerade::read(conn, rcu, entry);
}

/// Reads the state of an association.
fn read_sctp(conn: &Conn, entry: &mut Entry) {
    let mut locked = conn.lock();
    if let Some(sctp) = locked.sctp() {
        entry.has |= Entry::HAS_SCTP;
        entry.state = sctp.state as u8;
        entry.sctp_vtag = sctp.vtag.map(u32::from_be);
    }
}

/// Reads an entry, if it is replicated. `entry` is what is [`Found::Present`].
///
/// The dirty bit is cleared before anything is read: an event that comes later sets it again, and
/// the entry is read once more.
fn read(net: Net, conn: &Conn, filter: Filter, rcu: &rcu::Guard, entry: &mut Entry) -> Found {
    // A full barrier, which pairs with the one of `mark_dirty()`.
    let dirty = conn.status().test_and_clear(DIRTY);
    let found = filter.select(net, conn, rcu);
    if found != Found::Present {
        return match conn.status().test_and_clear(SHARED) {
            true => Found::Withdrawn,
            false => found,
        };
    }
    // Pairs with nf_ct_delete(): it sets DYING, and the event of the end then reads SHARED. One of
    // the two sees the other, by the barrier of this.
    let shared = conn.status().test_and_set(SHARED);
    if conn.is_dying() {
        return Found::Absent;
    }
    read_entry(conn, filter, rcu, entry);
    if dirty {
        entry.has |= Entry::DIRTY;
    }
    if shared {
        entry.has |= Entry::KNOWN;
    }
    Found::Present
}

/// The truth about the connection of an entry that a lookup has found.
pub(super) fn of_found(net: Net, conn: &Conn, filter: Filter, entry: &mut Entry) -> Found {
    if !status::is_there(conn) || conn.is_expired() {
        return Found::Absent;
    }
    read(net, conn, filter, &rcu::read_lock(), entry)
}

/// The truth about an entry that a walk has come to.
///
/// One that has expired is over, though its end may not be told of until somebody stumbles upon it:
/// peers are told now, lest a sweep finds their copy.
pub(super) fn of_walked(net: Net, conn: &Conn, filter: Filter, entry: &mut Entry) -> Found {
    let found = if !conn.is_expired() {
        read(net, conn, filter, &rcu::read_lock(), entry)
    } else if conn.status().test_and_clear(SHARED) {
        Found::Withdrawn
    } else {
        Found::Absent
    };
    if found == Found::Withdrawn {
        *entry = Entry {
            key: conn.key(),
            has: Entry::WITHDRAWN,
            ..Entry::default()
        };
    }
    found
}

/// Whether packets of a connection may change what no event tells of: its sequence adjustments, or
/// how long what it expects is waited for. The entry of a packet may not be in the table yet.
pub(crate) fn changes_silently(entry: &Fields) -> bool {
    entry.has_helper()
        && entry.is_confirmed()
        && (entry.status().has(Bit::SEQ_ADJUST) || entry.expects())
}
