// SPDX-License-Identifier: GPL-2.0

//! Conntrack events of a namespace, for as long as an [`Armed`] exists.
//!
//! After its drop no event runs any more: `ct_sync_notifier_disarm()` takes the notifier out of
//! its slot and ends with `synchronize_rcu()`, and events run under RCU.

use core::ffi::{c_int, c_void};

use kernel::prelude::*;
use kernel::sync::Arc;

use super::abi;
use super::conn::{Conn, Fields};
use super::netns::Net;
use crate::engine::Engine;

extern "C" {
    fn ct_sync_notifier_arm(net: *mut c_void, engine: *mut c_void) -> c_int;
    fn ct_sync_notifier_disarm(net: *mut c_void);
}

/// What an event says: bits by `enum ip_conntrack_events`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Events(u32);

impl Events {
    /// `IPCT_DESTROY`.
    const DESTROY: u32 = 1 << abi::IPCT_DESTROY;

    /// Whether the connection ends.
    pub(crate) fn is_end(self) -> bool {
        self.0 & Self::DESTROY != 0
    }
}

/// The registration of a notifier.
///
/// # Invariants
///
/// The namespace's helper holds a pointer to `_engine`, and is to be disarmed before it is freed.
pub(crate) struct Armed {
    net: Net,
    _engine: Arc<Engine>,
}

impl Armed {
    /// Starts events of `net` for `engine`.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the namespace is armed already.
    pub(crate) fn new(net: Net, engine: Arc<Engine>) -> Result<Self> {
        let pointer = Arc::as_ptr(&engine).cast_mut().cast();
        // SAFETY: By the invariant of `Net`; the engine lives until the drop has disarmed.
        kernel::error::to_result(unsafe { ct_sync_notifier_arm(net.as_ptr(), pointer) })?;
        // INVARIANT: Armed just now, with this engine.
        Ok(Self {
            net,
            _engine: engine,
        })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is armed.
        unsafe { ct_sync_notifier_disarm(self.net.as_ptr()) }
    }
}

/// Takes an event. A negative result asks the kernel to offer the end of a connection again.
///
/// # Safety
///
/// For `notifier.c` only: `engine` is what was armed, under RCU; `ct` is the event's entry.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_event(engine: *mut c_void, events: u32, ct: *mut c_void) -> c_int {
    // SAFETY: By the caller's promise; disarming waits for RCU before the engine is freed.
    let engine = unsafe { &*engine.cast::<Engine>() };
    // SAFETY: By the caller's promise; who gives the event keeps the entry.
    let conn = unsafe { Conn::from_raw(ct.cast()) };
    match crate::notifier::handle(engine, Events(events), conn) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// Learns that events were missed.
///
/// # Safety
///
/// For `notifier.c` only: `engine` is what was armed, under the mutex that disarming takes.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_events_missed(engine: *mut c_void) {
    // SAFETY: By the caller's promise.
    let engine = unsafe { &*engine.cast::<Engine>() };
    engine.note_missed_events();
}

/// Whether a packet of a connection may have changed what no event tells of.
///
/// # Safety
///
/// For `notifier.c` only: `ct` is the entry of a packet that is being looked at. It may not be confirmed: then whoever
/// has the packet may still move its extensions, so it is no [`Conn`].
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_changes_silently(ct: *mut c_void) -> bool {
    // SAFETY: By the caller's promise; the packet keeps the entry.
    crate::conntrack::changes_silently(unsafe { Fields::from_raw(ct.cast()) })
}
