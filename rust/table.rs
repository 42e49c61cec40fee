// SPDX-License-Identifier: GPL-2.0

//! The conntrack table as the protocol sees it, when it applies records.
//!
//! Context: the receiver thread, with the mutex of the protocol held.

use crate::conntrack::{Conntrack, Lost, Policies};
use crate::proto::{Applied, Entry, Expectation, Expected, Key, Table};
use crate::stats::{Counter, Stats};

/// A table, and where to count what could not be kept of a record.
pub(crate) struct Replica<'a> {
    /// The table.
    pub(crate) table: Conntrack,
    /// Timeout policies for the connections to come.
    pub(crate) policies: &'a mut Policies,
    /// The counters.
    pub(crate) stats: &'a Stats,
}

impl Replica<'_> {
    /// Counts what could not be kept.
    fn count(&self, lost: Lost) {
        for (what, counter) in [
            (Lost::POLICY, Counter::PoliciesLost),
            (Lost::CONTEXT, Counter::SecmarksLost),
            (Lost::EXTENSION, Counter::ExtensionsLost),
            (Lost::HELPER, Counter::HelpersNotLoaded),
            (Lost::MASTER, Counter::MastersMissing),
        ] {
            if lost.has(what) {
                self.stats.count(counter);
            }
        }
    }
}

impl Table for Replica<'_> {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        let (applied, lost) = self.table.upsert(entry, mark, self.policies);
        self.count(lost);
        applied
    }

    fn expect(&mut self, master: &Key, expectation: &Expectation) -> Expected {
        self.table.expect(master, expectation)
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        let (applied, lost) = self.table.update(entry, mark, self.policies);
        self.count(lost);
        applied
    }

    fn delete(&mut self, key: &Key) -> Applied {
        self.table.delete(key)
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        self.table.sweep(mark)
    }

    fn forget_marks(&mut self) {
        self.table.forget_marks();
    }
}
