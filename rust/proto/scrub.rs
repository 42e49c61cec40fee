// SPDX-License-Identifier: GPL-2.0

//! What a backup finds during a scrub that should not differ (§8.3).
//!
//! A scrub may tell of a change a little before the live record of that change, so a difference
//! is only a suspicion until no live record has come for a while.

use super::key::Key;
use super::time::{Time, NS_PER_S};
use crate::buffer::Buffer;

/// Suspicions at most. A change and its live record are milliseconds apart, so more than a few at
/// once are no coincidence.
pub(super) const SUSPECTS_MAX: usize = 16;
/// How long a live record may take after the scrub's: three times what the primary waits with the
/// END of a scrub.
const SUSPECT_NS: u64 = 3 * NS_PER_S;

/// Room for a suspicion: a connection, and since when there is one.
pub(super) type Suspect = Option<(Key, Time)>;

/// Connections in which a scrub has found a difference that is not explained yet.
pub(super) struct Suspects {
    keys: Buffer<Suspect>,
    /// Suspicions that are kept. Mostly none, and then nothing is looked at for each frame and record.
    count: usize,
}

impl Suspects {
    /// No suspicions. There may be as many as `keys` has room for, [`SUSPECTS_MAX`].
    pub(super) fn new(keys: Buffer<Suspect>) -> Self {
        let mut suspects = Self { keys, count: 0 };
        suspects.clear();
        suspects
    }

    /// Drops all suspicions.
    pub(super) fn clear(&mut self) {
        self.keys.fill(None);
        self.count = 0;
    }

    /// Suspects a connection. Returns how many suspicions are certain because of that: when there
    /// are too many, the oldest counts.
    pub(super) fn add(&mut self, key: &Key, now: Time) -> u64 {
        let since = |slot: &Suspect| slot.map(|(_, since)| since);
        // None is first.
        let Some(slot) = self.keys.iter_mut().min_by_key(|slot| since(slot)) else {
            return 1;
        };
        let before = slot.replace((*key, now));
        self.count += usize::from(before.is_none());
        u64::from(before.is_some())
    }

    /// Takes a live record of a connection: it explains the difference.
    pub(super) fn explain(&mut self, key: &Key) {
        self.take(|suspect, _| suspect == key);
    }

    /// Takes those away that nothing has explained in time; returns how many.
    pub(super) fn judge(&mut self, now: Time) -> u64 {
        self.take(|_, since| now.since(since) >= SUSPECT_NS)
    }

    /// Takes those away of which `over` is true; returns how many.
    fn take(&mut self, over: impl Fn(&Key, Time) -> bool) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let before = self.count;
        for slot in self.keys.iter_mut() {
            if slot.as_ref().is_some_and(|(key, since)| over(key, *since)) {
                *slot = None;
                self.count = self.count.saturating_sub(1);
            }
        }
        (before - self.count) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> Key {
        let mut key = Key::default();
        key.original.src_port = port;
        key
    }

    fn suspects() -> Suspects {
        let Ok(keys) = Buffer::from_fn(SUSPECTS_MAX, Suspect::default);
        Suspects::new(keys)
    }

    #[test]
    fn a_live_record_explains_a_difference() {
        let mut suspects = suspects();
        let now = Time(NS_PER_S);
        assert_eq!(suspects.add(&key(1), now), 0);
        assert_eq!(suspects.add(&key(2), now), 0);
        suspects.explain(&key(1));
        assert_eq!(suspects.judge(now.after(SUSPECT_NS - 1)), 0);
        assert_eq!(suspects.judge(now.after(SUSPECT_NS)), 1);
        assert_eq!(suspects.judge(now.after(SUSPECT_NS)), 0, "once");
    }

    #[test]
    fn too_many_are_no_coincidence() {
        let mut suspects = suspects();
        let certain: u64 = (0..20).map(|n| suspects.add(&key(n), Time(n.into()))).sum();
        assert_eq!(certain, 20 - SUSPECTS_MAX as u64);
    }
}
