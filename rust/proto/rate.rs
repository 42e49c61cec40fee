// SPDX-License-Identifier: GPL-2.0

//! How fast a walk goes through the table: as its setting says, and slower while much is lost (§8.1).

use super::time::{Time, NS_PER_MS, NS_PER_S};

/// Most entries asked for at once, so that live records never wait long behind a walk.
pub const WALK_BATCH: u32 = 64;
/// How often the loss is judged.
pub(super) const PACER_WINDOW_NS: u64 = 100 * NS_PER_MS;
/// A window is bad when more than one frame in so many has to be repaired.
const PACER_LOSS_DIVISOR: u32 = 8;
/// The rate is halved so often at most: a link that loses much whatever the rate still needs its
/// resync.
const PACER_HALVED_MAX: u32 = 4;
/// What an unlimited rate is taken for when it is to be halved, in records per second.
const RATE_UNLIMITED: u32 = 1 << 20;

/// Token bucket of the walk.
pub(super) struct Bucket {
    /// Records per second, 0 is unlimited.
    pub(super) rate: u32,
    /// Records that are worth a call.
    batch: u32,
    /// Records that may be sent now, times 10^9.
    credit: u64,
    /// When `credit` was right.
    filled: Time,
}

impl Bucket {
    /// A bucket that is empty, for `rate` records a second; 0 is unlimited.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            batch: 1,
            credit: 0,
            filled: Time::ZERO,
        }
    }

    /// Changes the rate. A call is worth it for a hundredth of a second's records.
    pub(super) fn set_rate(&mut self, rate: u32) {
        (self.rate, self.batch) = (rate, (rate / 100).clamp(1, WALK_BATCH));
    }

    /// Changes the rate to one at which a call is worth it for a second's records, so that a small
    /// table leaves in few frames. What was saved up is lost.
    pub(super) fn set_slow_rate(&mut self, rate: u32) {
        self.credit = 0;
        (self.rate, self.batch) = (rate, rate.clamp(1, WALK_BATCH));
    }

    /// Most records that may be saved up: a tenth of a second's, so that a caller that polls
    /// seldom keeps the rate.
    fn capacity(&self) -> u64 {
        u64::from(self.rate / 10 + WALK_BATCH) * NS_PER_S
    }

    /// Credit from which on there is something to do.
    fn threshold(&self) -> u64 {
        u64::from(self.batch) * NS_PER_S
    }

    /// Credits the time since the last call.
    pub(super) fn refill(&mut self, now: Time) {
        // A second at the highest rate is 4.3 * 10^18: no overflow.
        let earned = now.since(self.filled).min(NS_PER_S) * u64::from(self.rate);
        self.credit = self.credit.saturating_add(earned).min(self.capacity());
        self.filled = self.filled.max(now);
    }

    /// Records that may be sent now.
    pub(super) fn available(&self) -> u32 {
        if self.rate == 0 {
            WALK_BATCH
        } else if self.credit < self.threshold() {
            0
        } else {
            u32::try_from(self.credit / NS_PER_S).unwrap_or(u32::MAX)
        }
    }

    /// When something will be available.
    pub(super) fn next(&self) -> Time {
        let missing = self.threshold().saturating_sub(self.credit);
        match u64::from(self.rate) {
            0 => self.filled,
            rate => self.filled.after(missing.div_ceil(rate)),
        }
    }

    /// Takes one record's credit.
    pub(super) fn spend(&mut self) {
        self.credit = self.credit.saturating_sub(NS_PER_S);
    }
}

/// Slows walks down while much has to be repaired.
pub(super) struct Pacer {
    /// Frames sent since `since`.
    sent: u32,
    /// Frames of which a backup has said in that time that it lacks them.
    lost: u32,
    /// When the window began.
    since: Time,
    /// The rate is halved so many times.
    halved: u32,
}

impl Pacer {
    /// Nothing was sent or lost.
    pub(super) const NEW: Pacer = Pacer {
        sent: 0,
        lost: 0,
        since: Time::ZERO,
        halved: 0,
    };

    /// Counts a data frame that is sent.
    pub(super) fn note_sent(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// Counts frames that have to be repaired.
    pub(super) fn note_lost(&mut self, frames: u32) {
        self.lost = self.lost.saturating_add(frames);
    }

    /// Judges the window that has passed. Returns whether something has changed.
    pub(super) fn tick(&mut self, now: Time) -> bool {
        if now.since(self.since) < PACER_WINDOW_NS {
            return false;
        }
        let before = self.halved;
        self.halved = if self.lost > self.sent / PACER_LOSS_DIVISOR {
            PACER_HALVED_MAX.min(before + 1)
        } else {
            before.saturating_sub(1)
        };
        (self.sent, self.lost, self.since) = (0, 0, now);
        self.halved != before
    }

    /// The rate for a setting, in records per second; 0 is unlimited in both.
    pub(super) fn rate(&self, setting: u32) -> u32 {
        match (setting, self.halved) {
            (0, 0) => 0,
            (0, halved) => RATE_UNLIMITED >> halved,
            (rate, halved) => (rate >> halved).max(1),
        }
    }
}
