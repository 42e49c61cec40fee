// SPDX-License-Identifier: GPL-2.0

//! Conntrack events of a namespace: who hears them, and the slot in which their notifier is.
//!
//! A namespace has one slot. Ours calls the listener, and then through to whatever is behind it;
//! who is put there when is decided by who holds a [`Seat`].
//!
//! # Teardown
//!
//! After the drop of an [`Attached`] no event reaches its listener any more: events run under RCU,
//! and `ct_sync_listener_set()` ends with `synchronize_rcu()`.

use core::ffi::c_void;

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Arc;

use super::abi;
use super::conn::Conn;
use super::net::Net;

/// What an event says: bits by `enum ip_conntrack_events`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Events(u32);

impl Events {
    /// Something of the connection that no event of its own is about.
    pub(crate) const NONE: Self = Self(0);

    /// Whether the connection ends.
    pub(crate) fn is_end(self) -> bool {
        self.0 & (1 << abi::IPCT_DESTROY) != 0
    }
}

/// Who hears of conntrack's events.
///
/// # Context
///
/// Softirq, or the process that deletes an entry; under RCU. Nothing may sleep.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Takes an event.
    ///
    /// # Errors
    ///
    /// Asks the kernel to offer the end of a connection again.
    fn event(&self, events: Events, conn: &Conn) -> Result;

    /// What `master`, which is in the table, expects has changed. The lock of expectations is held.
    fn expectation(&self, master: &Conn);

    /// A packet of a connection with a helper, which is in the table, passes.
    fn packet(&self, conn: &Conn);
}

/// A listener that hears events, as far as the slot has ours.
///
/// # Invariants
///
/// C has a pointer to `_listener`, and forgets it before that is freed.
pub(crate) struct Attached<L: Listener> {
    net: Net,
    _listener: Arc<L>,
}

impl<L: Listener> Attached<L> {
    /// Has events of `net` given to `listener`, and to nobody else.
    pub(crate) fn new(net: Net, listener: Arc<L>) -> Self {
        let pointer = Arc::as_ptr(&listener).cast_mut().cast();
        // SAFETY: By the invariant of `Net`; the listener lives until the drop has made C forget
        // it.
        unsafe { abi::ct_sync_listener_set(net.raw(), pointer) };
        // INVARIANT: Set just now.
        Self {
            net,
            _listener: listener,
        }
    }
}

impl<L: Listener> Drop for Attached<L> {
    fn drop(&mut self) {
        // SAFETY: By the invariant of `Net`.
        unsafe { abi::ct_sync_listener_set(self.net.raw(), core::ptr::null_mut()) }
    }
}

/// A notifier in a slot. It may be gone by now: nothing is done with one but to put it into a slot
/// again that is known to have had it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder(*const c_void);

/// The slot of a namespace.
#[derive(Clone, Copy)]
pub(crate) struct Seat(Net);

impl Seat {
    /// That of `net`.
    pub(crate) fn of(net: Net) -> Self {
        Self(net)
    }

    /// What it holds now.
    pub(crate) fn holder(self) -> Holder {
        // SAFETY: By the invariant of `Net`.
        Holder(unsafe { abi::ct_sync_slot_holder(self.0.raw()) })
    }

    /// Whether it holds ours.
    pub(crate) fn is_ours(self) -> bool {
        self.holder() == Self::ours()
    }

    /// Our notifier.
    fn ours() -> Holder {
        // SAFETY: Returns the address of a constant.
        Holder(unsafe { abi::ct_sync_slot_ours() })
    }

    /// Puts ours in front of what the slot holds, if that is `behind`; false if it is another one
    /// by now.
    pub(crate) fn wrap(self, behind: Holder) -> bool {
        // Ordered before the slot by the exchange.
        // SAFETY: By the invariant of `Net`; what a slot holds may be called while it holds it.
        unsafe { abi::ct_sync_slot_set_next(self.0.raw(), behind.0) };
        // SAFETY: As above.
        unsafe { abi::ct_sync_slot_exchange(self.0.raw(), behind.0, Self::ours().0) }
    }

    /// Puts back what ours is in front of, if the slot still holds ours.
    pub(crate) fn unwrap(self) {
        // SAFETY: By the invariant of `Net`.
        let next = unsafe { abi::ct_sync_slot_next(self.0.raw()) };
        // SAFETY: As above. What is behind ours is registered: whoever unregisters empties the slot
        // before, and what the slot holds is wrapped anew after that.
        unsafe { abi::ct_sync_slot_exchange(self.0.raw(), Self::ours().0, next) };
    }

    /// `net.netfilter.nf_conntrack_events`: whether new entries report events.
    pub(crate) fn events_setting(self) -> u8 {
        self.setting().load(Relaxed) as u8
    }

    /// Changes that setting.
    pub(crate) fn set_events_setting(self, value: u8) {
        self.setting().store(value as i8, Relaxed);
    }

    fn setting(&self) -> &Atomic<i8> {
        // SAFETY: By the invariant of `Net`; the sysctl handler and the kernel read and write the
        // byte with single loads and stores.
        unsafe { Atomic::from_ptr(abi::ct_sync_events_setting(self.0.raw()).cast()) }
    }
}

/// # Safety
///
/// For `notifier.c` only, as all that follow: `listener` was attached with the same `L`, under RCU;
/// `ct` is the event's entry.
pub(super) unsafe extern "C" fn event<L: Listener>(
    listener: *mut c_void,
    events: u32,
    ct: *mut abi::nf_conn,
) -> i32 {
    // SAFETY: By the caller's promise; it is detached, and RCU waited for, before it is freed.
    let listener = unsafe { &*listener.cast::<L>() };
    // SAFETY: By the caller's promise; who gives the event keeps the entry.
    let conn = unsafe { Conn::from_raw(ct) };
    match listener.event(Events(events), conn) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// # Safety
///
/// As [`event`].
pub(super) unsafe extern "C" fn expectation<L: Listener>(
    listener: *mut c_void,
    ct: *mut abi::nf_conn,
) {
    // SAFETY: As in `event`.
    let listener = unsafe { &*listener.cast::<L>() };
    // SAFETY: The expectation has its master, as long as it is in a list.
    if let Some(master) = unsafe { Conn::from_seen(ct) } {
        listener.expectation(master);
    }
}

/// # Safety
///
/// As [`event`].
pub(super) unsafe extern "C" fn packet<L: Listener>(listener: *mut c_void, ct: *mut abi::nf_conn) {
    // SAFETY: As in `event`.
    let listener = unsafe { &*listener.cast::<L>() };
    // SAFETY: The packet has its entry.
    if let Some(conn) = unsafe { Conn::from_seen(ct) } {
        listener.packet(conn);
    }
}
