// SPDX-License-Identifier: GPL-2.0

//! The marks by which a resync tells what it has told of from what it has not (§8).
//!
//! Each resync has a mark, and stamps with it whatever is told of while it runs; at its end what
//! bears another mark is deleted. There are 255 of them, so they come round again: nothing may still
//! bear a mark from before when it is taken anew.

use super::table::Table;

/// Marks that a backup takes without a sweep before it has all stamps taken off: with the few that
/// a primary takes before a walk is complete there are always some that no entry bears.
const MARKS_MAX: u8 = 200;

/// Marks of one table, in the order in which they are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Marks {
    /// That of the latest resync, 1 to 255; 0 is left to entries without one.
    mark: u8,
    /// How many the entries may bear.
    used: u8,
}

impl Marks {
    /// Those of a table in which nothing is marked.
    pub(super) const NEW: Marks = Marks { mark: 1, used: 1 };

    /// The mark of the latest resync.
    pub(super) fn mark(&self) -> u8 {
        self.mark
    }

    /// Takes the next mark: 1 to 255, then 1 again.
    pub(super) fn advance(&mut self) {
        self.mark = self.mark.checked_add(1).unwrap_or(1);
        self.used = self.used.saturating_add(1);
    }

    /// Takes the next mark for records that are applied to `table`: first all stamps are taken off
    /// if there were many marks since the last sweep.
    pub(super) fn advance_in(&mut self, table: &mut impl Table) {
        if self.used >= MARKS_MAX {
            table.forget_marks();
            self.used = 0;
        }
        self.advance();
    }

    /// Notes that everything bears the present mark: the table was swept, or walked to its end.
    pub(super) fn note_whole(&mut self) {
        self.used = 1;
    }
}
