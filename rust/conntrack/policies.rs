// SPDX-License-Identifier: GPL-2.0

//! Timeout policies of other nodes.
//!
//! A policy is told of by value. Its name would be of no use: the kernel has no way from the
//! policies of nft to theirs, and the other node might not have it. So a backup makes policies of
//! its own. Each belongs to the entries that use it, and the latest few to this node as well, so
//! that connections share them.

use crate::kapi::conn::{self, JIFFIES_MAX};
use crate::kapi::timeout::{Policy, SharedPolicy, Tracker};
use crate::proto::{Entry, Extras};

/// Policies that are kept for the connections to come.
const POLICIES_KEPT: usize = 8;

/// The policies that are kept.
#[derive(Default)]
pub(crate) struct Policies {
    kept: [Option<SharedPolicy>; POLICIES_KEPT],
    next: usize,
}

/// Timeout number `index` of a record, in jiffies: of whole seconds, so that it is the same after
/// it was told of again.
fn timeout_of(extras: &Extras, index: usize) -> u32 {
    let seconds = extras.policy_s.get(index).copied().unwrap_or(0);
    conn::jiffies(seconds.min(conn::seconds(JIFFIES_MAX)))
}

/// Whether a policy has the timeouts of a record.
pub(super) fn is_as(policy: &Policy, extras: &Extras) -> bool {
    policy.tracker().policy_length() == usize::from(extras.policy_length)
        && policy
            .timeouts()
            .enumerate()
            .all(|(i, timeout)| timeout == timeout_of(extras, i))
}

/// Reads the timeouts of a policy, if a record has room for them.
pub(super) fn read(policy: &Policy, extras: &mut Extras) {
    let length = policy.tracker().policy_length();
    let Some(places) = extras.policy_s.get_mut(..length) else {
        return;
    };
    for (place, timeout) in places.iter_mut().zip(policy.timeouts()) {
        *place = conn::seconds(timeout);
    }
    extras.policy_length = length as u8;
}

impl Policies {
    /// A policy with the timeouts of a record, which has some; `None` if this kernel's tracker of
    /// the protocol has another number of them, and without memory. May sleep.
    pub(super) fn find(&mut self, record: &Entry) -> Option<SharedPolicy> {
        let tracker = Tracker::of(record.key.protocol);
        let (family, extras) = (record.key.family, &record.extras);
        if usize::from(extras.policy_length) != tracker.policy_length() {
            return None;
        }
        let fits = |policy: &&SharedPolicy| {
            policy.family() == family && policy.tracker() == tracker && is_as(policy, extras)
        };
        if let Some(policy) = self.kept.iter().flatten().find(fits) {
            return Some(policy.clone());
        }
        let policy = SharedPolicy::new(family, tracker, |i| timeout_of(extras, i)).ok()?;
        let place = self.kept.get_mut(self.next % POLICIES_KEPT)?;
        *place = Some(policy.clone());
        self.next = self.next.wrapping_add(1);
        Some(policy)
    }
}
