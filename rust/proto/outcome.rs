// SPDX-License-Identifier: GPL-2.0

//! What became of a record that was applied to the table.

use crate::stats::Counter;

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// A connection was created.
    Inserted,
    /// A replicated connection was updated: it was different before.
    Updated,
    /// A replicated connection was as the record says.
    Unchanged,
    /// A connection was deleted.
    Deleted,
    /// There was nothing to delete.
    Absent,
    /// There was nothing to update.
    Incomplete,
    /// A connection of this node's own making gave way.
    ReplacedLocal,
    /// An assured connection of this node's own making is in the way.
    Conflict,
    /// The flow ends on this node, which tracks it by itself.
    Own,
    /// The conntrack table is full.
    TableFull,
    /// Out of memory.
    NoMemory,
    /// The kernel does not track the protocol.
    UnsupportedProtocol,
    /// NAT gave another translation.
    NatDiverged,
    /// Another entry with one of its tuples was on its way out or in, or the table is too dense.
    Busy,
    /// Refused for another reason.
    Refused,
}

impl Applied {
    /// Where it is counted.
    pub(super) fn counter(self) -> Counter {
        match self {
            Applied::Inserted => Counter::EntriesInserted,
            Applied::Updated => Counter::EntriesUpdated,
            Applied::Unchanged => Counter::EntriesUnchanged,
            Applied::Deleted => Counter::EntriesDeleted,
            Applied::Absent => Counter::EntriesDeleteAbsent,
            Applied::Incomplete => Counter::RecordsIncomplete,
            Applied::ReplacedLocal => Counter::EntriesReplacedLocal,
            Applied::Conflict => Counter::EntriesConflict,
            Applied::Own => Counter::EntriesOwn,
            Applied::TableFull => Counter::EntriesTableFull,
            Applied::NoMemory => Counter::EntriesNoMemory,
            Applied::UnsupportedProtocol => Counter::EntriesUnsupportedProtocol,
            Applied::NatDiverged => Counter::EntriesNatDiverged,
            Applied::Busy => Counter::EntriesBusy,
            Applied::Refused => Counter::EntriesRefused,
        }
    }
}

/// What became of a record about an expectation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It is waited for now.
    Added,
    /// It was waited for already.
    Known,
    /// It is not: its master, its helper or its function is not there, or the kernel has refused.
    Refused,
}
