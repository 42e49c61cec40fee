// SPDX-License-Identifier: GPL-2.0

//! Whether a walk waits for the backups (§8.1).
//!
//! What is live waits behind the walk in a backup's socket, so a resync does not get far ahead of
//! what backups have said that they have. A scrub is slow enough by itself.

use super::time::{Time, NS_PER_MS};

/// Frames that a walk may be ahead of what a backup has said that it has. The backup says it each
/// few frames while a resync is running.
pub(super) const WALK_AHEAD_MAX: u64 = 16;
/// Longest that a walk waits for a backup that says nothing: then it goes on a little.
const WALK_HELD_NS: u64 = 100 * NS_PER_MS;

/// Whether the walk that runs waits.
pub(super) struct Hold {
    /// Whether the walk does not get far ahead of the backups: it began as a resync.
    paced: bool,
    /// When it goes on although backups are behind, if it waits for them.
    until: Option<Time>,
}

impl Hold {
    /// Nothing waits.
    pub(super) const NONE: Hold = Hold {
        paced: false,
        until: None,
    };

    /// Takes the news that a walk begins.
    pub(super) fn begin(&mut self, scrub: bool) {
        (self.paced, self.until) = (!scrub, None);
    }

    /// Lets the walk go on.
    pub(super) fn release(&mut self) {
        self.until = None;
    }

    /// Lets the walk go on if it is `ahead` by no more frames than it may be.
    pub(super) fn note_ahead(&mut self, ahead: u64) {
        if ahead < WALK_AHEAD_MAX {
            self.release();
        }
    }

    /// Whether the walk is to wait until backups have taken more of what was sent; `ahead` is how far
    /// it is ahead of them.
    pub(super) fn waits(&mut self, now: Time, ahead: impl FnOnce() -> u64) -> bool {
        if !self.paced || ahead() < WALK_AHEAD_MAX {
            self.release();
            return false;
        }
        let until = *self.until.get_or_insert(now.after(WALK_HELD_NS));
        if now >= until {
            self.until = Some(now.after(WALK_HELD_NS));
        }
        now < until
    }

    /// When a walk that has something to do at `at` may do it.
    pub(super) fn not_before(&self, at: Time) -> Time {
        self.until.map_or(at, |until| at.max(until))
    }
}
