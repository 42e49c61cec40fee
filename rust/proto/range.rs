// SPDX-License-Identifier: GPL-2.0

//! Frames by their numbers: some in sequence (§7).

/// Some numbers in sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// The last; not below the first.
    pub last: u64,
}

impl Range {
    /// One number.
    pub fn one(seq: u64) -> Self {
        Self {
            first: seq,
            last: seq,
        }
    }

    /// Whether `seq` is one of them.
    pub fn contains(&self, seq: u64) -> bool {
        (self.first..=self.last).contains(&seq)
    }

    /// Whether all of `other` are among them.
    pub fn covers(&self, other: &Range) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether they have a number in common.
    pub(super) fn meets(&self, other: &Range) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many numbers there are; at least 1.
    pub(super) fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}
