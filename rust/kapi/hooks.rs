// SPDX-License-Identifier: GPL-2.0

//! Packet hooks of a namespace: notrack on syncdev, the count of foreign datagrams, l2drop.
//!
//! The hooks are C and read words that are set here; they call nothing of ours. After the drop of
//! [`Hooks`] none runs any more: `nf_unregister_net_hooks()` and `synchronize_net()`.

use core::ffi::{c_int, c_void, CStr};

use kernel::ffi::c_char;
use kernel::prelude::*;

use super::netns::Net;

extern "C" {
    fn ct_sync_hooks_register(net: *mut c_void) -> c_int;
    fn ct_sync_hooks_unregister(net: *mut c_void);
    fn ct_sync_hooks_set_syncdev(net: *mut c_void, ifindex: u32, port: u16, notrack: bool);
    fn ct_sync_hooks_wrong_device(net: *mut c_void) -> u64;
    fn ct_sync_l2drop_set(net: *mut c_void, mode: u32, syncdev: *const c_char) -> c_int;
    fn ct_sync_l2drop_effective(net: *mut c_void, dropping: bool);
    fn ct_sync_l2drop_count(net: *mut c_void) -> u64;
}

/// The hooks for traffic of syncdev; unregistered when dropped.
///
/// # Invariants
///
/// They are registered in `net`.
pub(crate) struct Hooks {
    net: Net,
}

impl Hooks {
    /// Registers the hooks: from now on the traffic of interface `ifindex` is not tracked if
    /// `notrack`, and UDP datagrams to `port` from other interfaces are counted.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn register(net: Net, ifindex: u32, port: u16, notrack: bool) -> Result<Self> {
        // SAFETY: By the invariant of `Net`; undone by drop, and the one caller holds one at most.
        kernel::error::to_result(unsafe { ct_sync_hooks_register(net.as_ptr()) })?;
        // INVARIANT: Registered just now.
        let hooks = Self { net };
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_hooks_set_syncdev(net.as_ptr(), ifindex, port, notrack) };
        Ok(hooks)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_hooks_set_syncdev(self.net.as_ptr(), 0, 0, false) };
        // SAFETY: By the type invariant they are registered.
        unsafe { ct_sync_hooks_unregister(self.net.as_ptr()) }
    }
}

/// Datagrams for the replication port that came in through another interface.
pub(crate) fn wrong_device(net: Net) -> u64 {
    // SAFETY: By the invariant of `Net`.
    unsafe { ct_sync_hooks_wrong_device(net.as_ptr()) }
}

/// Puts the l2drop hooks on every interface but loopback, `syncdev` and what is below it, or
/// takes them off (`mode` 0). `mode` 2 lets VRRP and BFD pass.
///
/// # Errors
///
/// `ENOMEM`, and what `nf_register_net_hook()` says; then no interface is blocked.
///
/// # Context
///
/// Takes rtnl.
pub(crate) fn l2drop_set(net: Net, mode: u32, syncdev: &CStr) -> Result {
    // SAFETY: By the invariant of `Net`; the name ends with NUL.
    let err = unsafe { ct_sync_l2drop_set(net.as_ptr(), mode, syncdev.as_char_ptr()) };
    kernel::error::to_result(err)
}

/// Whether the l2drop hooks drop; takes effect at once.
pub(crate) fn l2drop_effective(net: Net, dropping: bool) {
    // SAFETY: By the invariant of `Net`.
    unsafe { ct_sync_l2drop_effective(net.as_ptr(), dropping) }
}

/// Frames that l2drop has dropped.
pub(crate) fn l2drop_count(net: Net) -> u64 {
    // SAFETY: By the invariant of `Net`.
    unsafe { ct_sync_l2drop_count(net.as_ptr()) }
}
