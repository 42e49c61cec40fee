// SPDX-License-Identifier: GPL-2.0

//! Time as the protocol sees it: a number that the caller supplies.

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;

/// A moment of the caller's monotonic clock, in nanoseconds since any fixed origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// The origin: never later than any other moment.
    pub const ZERO: Time = Time(0);

    /// The moment `delta_ns` nanoseconds later.
    pub const fn after(self, delta_ns: u64) -> Time {
        Time(self.0.saturating_add(delta_ns))
    }

    /// Nanoseconds from `earlier` until this moment, 0 if `earlier` is in fact later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
