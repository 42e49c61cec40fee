// SPDX-License-Identifier: GPL-2.0

//! Packet hooks of a namespace: what one interface carries is not tracked, and packets of
//! connections with a helper, or to this node by other interfaces, are shown to who has them
//! registered.
//!
//! # Teardown
//!
//! After the drop of [`Hooks`] none runs any more: `nf_unregister_net_hooks()` and
//! `synchronize_net()`.

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

use super::abi;
use super::net::Net;

/// The hooks of a namespace; unregistered when dropped.
///
/// # Invariants
///
/// They are registered in `net`.
pub(crate) struct Hooks {
    net: Net,
}

impl Hooks {
    /// Registers the hooks. They watch interface `ifindex`, whose packets are not tracked if
    /// `untrack`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn register(net: Net, ifindex: u32, untrack: bool) -> Result<Self> {
        // SAFETY: By the invariant of `Net`; undone by drop, and the one caller holds one at most.
        kernel::error::to_result(unsafe { abi::ct_sync_hooks_register(net.raw()) })?;
        // INVARIANT: Registered just now.
        let hooks = Self { net };
        words(net).untrack.store(u32::from(untrack), Relaxed);
        words(net).ifindex.store(ifindex, Relaxed);
        Ok(hooks)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        words(self.net).ifindex.store(0, Relaxed);
        // SAFETY: By the type invariant they are registered.
        unsafe { abi::ct_sync_hooks_unregister(self.net.raw()) }
    }
}

/// The words that hooks look at before they ask.
struct Words<'a> {
    ifindex: &'a Atomic<u32>,
    untrack: &'a Atomic<u32>,
    watch: &'a Atomic<u32>,
}

fn words<'a>(net: Net) -> Words<'a> {
    // SAFETY: By the invariant of `Net`.
    let words = unsafe { abi::ct_sync_hook_words(net.raw()) };
    // SAFETY: They live as long as who holds a `Net`, and hooks read them with READ_ONCE.
    let atomic = |word: *mut u32| unsafe { Atomic::from_ptr(word) };
    Words {
        // SAFETY: A field of the same struct; so below.
        ifindex: atomic(unsafe { &raw mut (*words).ifindex }),
        // SAFETY: As above.
        untrack: atomic(unsafe { &raw mut (*words).untrack }),
        // SAFETY: As above.
        watch: atomic(unsafe { &raw mut (*words).watch }),
    }
}

/// Whether the hooks of devices ask who has registered them; takes effect at once. Returns whether
/// they did.
pub(crate) fn watch_devices(net: Net, watch: bool) -> bool {
    let before = words(net).watch.load(Relaxed);
    words(net).watch.store(u32::from(watch), Relaxed);
    before != 0
}
