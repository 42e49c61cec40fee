// SPDX-License-Identifier: GPL-2.0

//! The conntrack table as the protocol sees it: what is true of a connection, and what is to become
//! true.

use super::entry::Entry;
use super::expectation::Expectation;
use super::key::Key;
use super::outcome::{Applied, Expected};

/// What is true of a key at the moment.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// The connection is there, like this: all of it is told.
    Present(&'a Entry),
    /// The same, and peers have been told of it before: what never changes is left out. Not for
    /// walks and repairs.
    Changed(&'a Entry),
    /// There is no such connection, or it is dying.
    Absent(&'a Key),
}

/// The table that records are applied to.
///
/// An entry counts as replicated when it was made by [`Table::upsert`], and also when this node
/// has told of it as primary: otherwise a node that was demoted would keep what it made itself,
/// whatever the new primary says.
pub trait Table {
    /// Makes the table hold `entry`, stamped with `mark`.
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied;
    /// Makes the replicated entry with the key of `entry` be like that, but for its reply, which
    /// stays. [`Applied::Incomplete`] if there is none, or one that is of another connection.
    fn update(&mut self, entry: &Entry, mark: u8) -> Applied;
    /// Has the connection `master` expect another one, and with the last one of a list none else.
    fn expect(&mut self, master: &Key, expectation: &Expectation) -> Expected;
    /// Makes the table not hold `key`.
    fn delete(&mut self, key: &Key) -> Applied;
    /// Deletes every replicated entry that is not stamped with `mark`; returns how many.
    fn sweep(&mut self, mark: u8) -> u32;
    /// Takes the stamps off all entries.
    fn forget_marks(&mut self);
}
