// SPDX-License-Identifier: GPL-2.0

//! What replication does to the entries of the conntrack table, in safe Rust. Each file is named
//! after what it decides; [`Conntrack`] is what the rest of the module uses.
//!
//! No reference to an entry outlives a call: one that is held counts against the table's limit and
//! stalls the exit of its namespace.

use kernel::sync::aref::ARef;

use crate::kapi::conn::Conn;
use crate::kapi::net::Net;
use crate::kapi::table::Table;
use crate::kapi::tuple::{Direction, Tuple, Zone};
use crate::proto::{Applied, Endpoints, Entry, Expectation, Expected, Key};

mod apply;
mod expectations;
mod extensions;
mod lifetime;
mod local;
pub(crate) mod masquerade;
mod names;
mod passes;
mod policies;
mod relations;
pub(crate) mod status;
mod truth;
mod windows;

pub(crate) use passes::{Cursor, WalkMode, Walked};
pub(crate) use policies::Policies;
pub(crate) use truth::{changes_silently, Filter, Found};

/// What of a record could not be kept, though the rest was applied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost(u32);

impl Lost {
    /// Nothing.
    pub(crate) const NONE: Lost = Lost(0);
    /// The timeout policy.
    pub(crate) const POLICY: Lost = Lost(1);
    /// The security mark.
    pub(crate) const CONTEXT: Lost = Lost(2);
    /// An extension.
    pub(crate) const EXTENSION: Lost = Lost(4);
    /// The helper.
    pub(crate) const HELPER: Lost = Lost(8);
    /// The master, for which another entry stands in.
    pub(crate) const MASTER: Lost = Lost(16);

    /// Whether all of `other` is among this.
    pub(crate) fn has(self, other: Lost) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOrAssign for Lost {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The entry that has one of its tuples where the `of` direction of a key's connection has `ends`,
/// and in which direction of its own.
fn find(
    table: Table,
    key: &Key,
    of: Direction,
    ends: &Endpoints,
) -> Option<(ARef<Conn>, Direction)> {
    let tuple = Tuple::new(ends, key.family, key.protocol, Direction::Original);
    table.find(Zone::of(key).in_direction(of), &tuple)
}

/// The entry whose original direction is `key`.
fn find_original(table: Table, key: &Key) -> Option<ARef<Conn>> {
    let (conn, direction) = find(table, key, Direction::Original, &key.original)?;
    (direction == Direction::Original && conn.zone() == Zone::of(key)).then_some(conn)
}

/// The same, for whom it matters that an entry which is there is found: a lookup may miss one that
/// a resize of the hash table is moving.
fn find_surely(table: Table, key: &Key) -> Option<ARef<Conn>> {
    find_original(table, key).or_else(|| {
        table.wait_for_resize();
        find_original(table, key)
    })
}

/// The conntrack table of a namespace.
///
/// # Context
///
/// Threads.
#[derive(Clone, Copy)]
pub(crate) struct Conntrack(Table);

impl Conntrack {
    /// The table of `net`.
    pub(crate) fn new(net: Net) -> Self {
        Self(Table::new(net))
    }

    /// The truth about a key, now; its dirty bit is cleared first. `entry` is what is present.
    pub(crate) fn snapshot(self, key: &Key, filter: Filter, entry: &mut Entry) -> Found {
        match find_surely(self.0, key) {
            Some(conn) => truth::of_found(self.0.net(), &conn, filter, entry),
            None => Found::Absent,
        }
    }

    /// Goes on with a walk, until `entries` is full or the table ends.
    pub(crate) fn walk(
        self,
        cursor: &mut Cursor,
        mode: WalkMode,
        filter: Filter,
        entries: &mut [Entry],
    ) -> Walked {
        passes::walk(self.0, cursor, mode, filter, entries)
    }

    /// Entries in the namespace's table.
    pub(crate) fn count(self) -> u32 {
        self.0.count()
    }

    /// Most entries that the table may have.
    pub(crate) fn max(self) -> u32 {
        self.0.max()
    }

    /// Makes the table say what a record says; also returns what of it could not be kept.
    ///
    /// # Context
    ///
    /// The mutex of the protocol is held: there is one caller at a time for a namespace. So for all
    /// that applies records.
    pub(crate) fn upsert(
        self,
        record: &Entry,
        mark: u8,
        policies: &mut Policies,
    ) -> (Applied, Lost) {
        apply::upsert(self.0, record, mark, policies)
    }

    /// Makes the copy of a connection as a record says that leaves out what never changes; also
    /// returns what of it could not be kept.
    pub(crate) fn update(
        self,
        record: &Entry,
        mark: u8,
        policies: &mut Policies,
    ) -> (Applied, Lost) {
        apply::update(self.0, record, mark, policies)
    }

    /// Ends the copy of a connection.
    pub(crate) fn delete(self, key: &Key) -> Applied {
        apply::delete(self.0, key)
    }

    /// Number `index` of what a connection expects, the oldest first, if there are as many.
    pub(crate) fn expectation(self, key: &Key, index: u8) -> Option<Expectation> {
        expectations::read(&*find_original(self.0, key)?, index)
    }

    /// Has the copy of a connection expect what a record says.
    pub(crate) fn expect(self, master: &Key, expectation: &Expectation) -> Expected {
        match find_original(self.0, master) {
            Some(conn) => expectations::expect(&conn, expectation),
            None => Expected::Refused,
        }
    }

    /// Deletes every shared entry without `mark`; returns how many.
    pub(crate) fn sweep(self, mark: u8) -> u32 {
        passes::sweep(self.0, mark)
    }

    /// Keeps shared entries from expiring by themselves.
    pub(crate) fn pin_all(self) {
        passes::pin_all(self.0);
    }

    /// Gives pinned entries the timeout of their protocol and state.
    pub(crate) fn unpin_all(self) {
        passes::unpin_all(self.0);
    }

    /// Has TCP windows tracked strictly again after a takeover, where they are known by now.
    /// Returns of how many connections they are not.
    pub(crate) fn end_grace_all(self) -> u32 {
        passes::end_grace_all(self.0)
    }

    /// Ties masqueraded copies to the interfaces that have their addresses, and ends those whose
    /// address no interface has; returns how many. Some time after a takeover.
    pub(crate) fn settle_masquerades(self) -> u32 {
        passes::settle_masquerades(self.0)
    }

    /// Clears the marks and dirty bits that an earlier run has left; to be called before events
    /// are.
    pub(crate) fn forget_marks(self) {
        passes::forget_marks(self.0);
    }
}
