// SPDX-License-Identifier: GPL-2.0

//! A network namespace (`struct net`).

use core::ptr::NonNull;

use super::abi;

/// A network namespace.
///
/// # Invariants
///
/// Points to a `struct net` that lives at least until the `exit` of the
/// [`PerNet`](super::netns::PerNet) made for it: whoever holds a `Net` got it from that, and gives
/// it up before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net(NonNull<abi::net>);

// SAFETY: The functions that take a `struct net` may be called from any task (net_namespace.h).
unsafe impl Send for Net {}
// SAFETY: As above; nothing is changed through the pointer without a lock or atomically.
unsafe impl Sync for Net {}

impl Net {
    /// The pointer, for C.
    pub(super) fn raw(self) -> *mut abi::net {
        self.0.as_ptr()
    }

    /// Takes a pointer of C's.
    ///
    /// # Safety
    ///
    /// `net` is a namespace that lives as long as the type invariant says.
    pub(super) unsafe fn from_raw(net: *mut abi::net) -> Self {
        // SAFETY: By the caller's promise it is not NULL.
        Self(unsafe { NonNull::new_unchecked(net) })
    }

    /// The number of the namespace, as `readlink /proc/self/ns/net` shows it.
    pub(crate) fn inum(self) -> u32 {
        // SAFETY: By the type invariant the namespace is alive.
        unsafe { abi::ct_sync_net_inum(self.raw()) }
    }

    /// Has the work of what the namespace has run soon in a context that may sleep, unless the
    /// namespace is ending.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn queue(self, work: Work) {
        // SAFETY: By the type invariant; what is queued is cancelled before the namespace ends.
        unsafe { abi::ct_sync_work_queue(self.raw(), work.0) }
    }
}

/// A work of a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work(pub(super) u32);

impl Work {
    /// Cancelled before [`PerNet::shut_down`](super::netns::PerNet::shut_down).
    pub(crate) const FIRST: Self = Self(0);
    /// Cancelled after it.
    pub(crate) const SECOND: Self = Self(1);
}
