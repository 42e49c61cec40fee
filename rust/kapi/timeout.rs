// SPDX-License-Identifier: GPL-2.0

//! Timeouts, in jiffies: those of protocols, and policies of timeouts that an entry may have
//! (`struct nf_ct_timeout`).
//!
//! # Teardown
//!
//! An entry that has a policy has a reference to it. The last one frees it after a grace period,
//! with no code of ours: policies that this module has made may outlive it.

use core::ops::Deref;
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::rcu;
use kernel::types::Opaque;

use super::abi;
use super::conn::Fields;
use super::net::Net;
use super::tuple;

/// A protocol as conntrack tracks it (`struct nf_conntrack_l4proto`): one of a few static objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracker(*const abi::nf_conntrack_l4proto);

impl Tracker {
    /// The tracker of a protocol; that of all others for one that has none.
    pub(crate) fn of(protocol: u8) -> Self {
        // SAFETY: Looks a static object up.
        Self(unsafe { abi::nf_ct_l4proto_find(protocol) })
    }

    /// How many timeouts its policies have; 0 in a kernel without policies.
    pub(crate) fn policy_length(self) -> usize {
        // SAFETY: A static object.
        unsafe { abi::ct_sync_policy_length(self.0) as usize }
    }
}

/// A policy of timeouts, borrowed.
///
/// # Invariants
///
/// Is a `struct nf_ct_timeout` with as many timeouts as its tracker's policies have. It is not
/// freed while it is borrowed.
#[repr(transparent)]
pub(crate) struct Policy(Opaque<abi::nf_ct_timeout>);

impl Policy {
    fn as_ptr(&self) -> *mut abi::nf_ct_timeout {
        self.0.get()
    }

    /// The protocol that it is for.
    pub(crate) fn tracker(&self) -> Tracker {
        // SAFETY: By the type invariant; it does not change.
        Tracker(unsafe { (*self.as_ptr()).l4proto })
    }

    /// The family that it is for.
    pub(crate) fn family(&self) -> u8 {
        // SAFETY: By the type invariant; it does not change.
        tuple::family(unsafe { (*self.as_ptr()).l3num })
    }

    /// Its timeouts in jiffies, by state.
    pub(crate) fn timeouts(&self) -> impl Iterator<Item = u32> + '_ {
        self.words().map(|word| word.load(Relaxed))
    }

    /// Timeout number `index` in jiffies, if there are as many.
    pub(crate) fn timeout(&self, index: usize) -> Option<u32> {
        self.timeouts().nth(index)
    }

    fn words(&self) -> impl Iterator<Item = &Atomic<u32>> + '_ {
        // SAFETY: By the type invariant.
        let data = unsafe { abi::ct_sync_policy_data(self.as_ptr()) };
        (0..self.tracker().policy_length()).map(move |i| {
            // SAFETY: By the type invariant there are as many.
            let word = unsafe { data.add(i) };
            // SAFETY: They are changed by single stores.
            unsafe { Atomic::from_ptr(word) }
        })
    }
}

/// A policy that is kept by a reference.
///
/// A borrowed [`Policy`] cannot be made one: an entry may give its reference up at any time, and
/// then there is nothing to count from.
///
/// # Invariants
///
/// One reference to the policy is ours.
pub(crate) struct SharedPolicy(NonNull<abi::nf_ct_timeout>);

// SAFETY: Its fields do not change but for the count and the timeouts, which are atomic.
unsafe impl Send for SharedPolicy {}

impl SharedPolicy {
    /// Makes a policy of a family and a protocol, each of whose timeouts `timeout` gives by its
    /// index.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        family: u8,
        tracker: Tracker,
        timeout: impl Fn(usize) -> u32,
    ) -> Result<Self> {
        let length = tracker.policy_length() as u32;
        // SAFETY: The tracker is a static object.
        let policy = unsafe { abi::ct_sync_policy_new(tuple::l3num(family), tracker.0, length) };
        // INVARIANT: Just made, with one reference and with as many timeouts as the tracker's have.
        let policy = Self(NonNull::new(policy).ok_or(ENOMEM)?);
        for (i, place) in policy.words().enumerate() {
            place.store(timeout(i), Relaxed);
        }
        Ok(policy)
    }

    /// The pointer, for C.
    pub(super) fn as_ptr(&self) -> *mut abi::nf_ct_timeout {
        self.0.as_ptr()
    }
}

impl Clone for SharedPolicy {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant there is a reference to count from.
        unsafe { abi::ct_sync_policy_get(self.as_ptr()) };
        Self(self.0)
    }
}

impl Deref for SharedPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        // SAFETY: By the type invariant; `Policy` is transparent.
        unsafe { self.0.cast().as_ref() }
    }
}

impl Drop for SharedPolicy {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { abi::ct_sync_policy_put(self.as_ptr()) }
    }
}

impl Fields {
    /// The policy of the entry, if it has one.
    pub(crate) fn policy<'g>(&'g self, _rcu: &'g rcu::Guard) -> Option<&'g Policy> {
        // SAFETY: By the type invariant, under RCU.
        let policy = unsafe { abi::ct_sync_policy(self.as_ptr()) };
        // SAFETY: It is freed a grace period after the last reference is gone.
        unsafe { policy.cast::<Policy>().as_ref() }
    }
}

/// Timeout number `index` of a protocol in a namespace, in jiffies: that of a state or of a kind of
/// flow. The last one if there are not as many.
pub(crate) fn of_protocol(net: Net, protocol: u8, index: usize) -> u32 {
    let mut timeouts = core::ptr::null();
    // SAFETY: By the invariant of `Net`; the result is ours to write.
    let count = unsafe { abi::ct_sync_protocol_timeouts(net.raw(), protocol, &raw mut timeouts) };
    let last = (count as usize).saturating_sub(1);
    // SAFETY: There are `count`, which is not 0.
    let timeout = unsafe { timeouts.add(index.min(last)) };
    // SAFETY: As above; it is changed by single stores.
    unsafe { timeout.read_volatile() }
}
