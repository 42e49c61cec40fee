// SPDX-License-Identifier: GPL-2.0

//! Helpers: what looks into the packets of a connection (`struct nf_conntrack_helper`).
//!
//! # Teardown
//!
//! A helper is unregistered by its module, and connections keep the object from then on, but not
//! the module's code. So nothing of it is called but in the same RCU section in which
//! [`Helper::works`] was asked: `nf_conntrack_helper_unregister()` waits for a grace period before
//! the text goes away.

use core::ffi::CStr;

use kernel::str::CStrExt;
use kernel::sync::rcu;

use super::abi;
use super::conn::{Conn, Fields};
use super::tuple;

/// A helper.
///
/// # Invariants
///
/// Is a `struct nf_conntrack_helper` that is not freed while it is borrowed.
#[repr(transparent)]
pub(crate) struct Helper(abi::nf_conntrack_helper);

impl Helper {
    /// The helper of that name that works in the kernel, if there is one. The name ends with NUL.
    pub(crate) fn find<'g>(
        name: &CStr,
        family: u8,
        protocol: u8,
        _rcu: &'g rcu::Guard,
    ) -> Option<&'g Self> {
        // SAFETY: The name ends with NUL; under RCU.
        let helper = unsafe {
            abi::__nf_conntrack_helper_find(name.as_char_ptr(), tuple::l3num(family), protocol)
        };
        // SAFETY: It is freed a grace period after it is unregistered and no connection has it.
        let helper = unsafe { Self::from_raw(helper) }?;
        (!helper.is_userspace() && helper.works()).then_some(helper)
    }

    /// # Safety
    ///
    /// `helper` is NULL, or a helper that is not freed during `'g`.
    unsafe fn from_raw<'g>(helper: *mut abi::nf_conntrack_helper) -> Option<&'g Self> {
        // SAFETY: By the caller's promise; `Self` is transparent.
        unsafe { helper.cast::<Self>().as_ref() }
    }

    pub(super) fn as_ptr(&self) -> *mut abi::nf_conntrack_helper {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: By the type invariant.
        let name = unsafe { abi::ct_sync_helper_name(self.as_ptr()) };
        // SAFETY: An array of the helper, which ends with NUL (nf_conntrack_helper_register()).
        unsafe { CStr::from_char_ptr(name) }
    }

    /// Whether a program does its work.
    pub(crate) fn is_userspace(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_helper_flags(self.as_ptr()) & abi::NF_CT_HELPER_F_USERSPACE != 0 }
    }

    /// Whether it is registered still.
    pub(crate) fn works(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_helper_works(self.as_ptr()) }
    }

    /// Its last class of expectations.
    pub(crate) fn class_max(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_helper_class_max(self.as_ptr()) }
    }
}

impl Fields {
    /// The helper of the entry, unless a program does its work.
    pub(crate) fn helper<'g>(&'g self, _rcu: &'g rcu::Guard) -> Option<&'g Helper> {
        let help = self.help();
        if help.is_null() {
            return None;
        }
        // SAFETY: An extension of the entry; under RCU.
        let helper = unsafe { abi::ct_sync_help_helper(help) };
        // SAFETY: The entry has a reference, which a grace period follows when it is given up.
        unsafe { Helper::from_raw(helper) }.filter(|helper| !helper.is_userspace())
    }

    /// Whether it has room for a helper, and so for what it expects.
    pub(crate) fn has_helper(&self) -> bool {
        !self.help().is_null()
    }

    /// Whether it expects something, as a hint: the list may be another by now.
    pub(crate) fn expects(&self) -> bool {
        let help = self.help();
        // SAFETY: An extension of the entry; a look at whether the list has a first element is one
        // at a word.
        !help.is_null() && unsafe { !abi::ct_sync_expect_first(help).is_null() }
    }

    /// Ends all that it expects.
    pub(crate) fn expect_nothing(&self) {
        // SAFETY: By the type invariant; the function takes the lock of expectations itself.
        unsafe { abi::nf_ct_remove_expectations(self.as_ptr()) }
    }

    /// The extension that has the helper and what is expected; NULL if there is none.
    pub(super) fn help(&self) -> *mut abi::nf_conn_help {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_help(self.as_ptr()) }
    }

    /// Has the helper take the next packets as ctnetlink has it when it sets an entry: a line may
    /// begin with each.
    pub(crate) fn pick_up(&self) {
        let rcu = rcu::read_lock();
        // Connections keep a helper whose module is gone.
        if let Some(helper) = self.helper(&rcu).filter(|helper| helper.works()) {
            // SAFETY: It was registered in this RCU section, so its code is there; the entry is its
            // own.
            unsafe { abi::ct_sync_helper_pick_up(helper.as_ptr(), self.as_ptr()) };
        }
    }
}

impl Conn {
    /// Has the kernel find this connection of GRE by the sender's key too, as long as it and its
    /// master live, if the master is a control connection of PPTP: its helper has the list of keys.
    pub(crate) fn map_keys(&self) {
        let rcu = rcu::read_lock();
        let Some(master) = self.master() else {
            return;
        };
        if master
            .helper(&rcu)
            .is_some_and(|helper| helper.name() == c"pptp")
        {
            // SAFETY: Both are alive, and the data of the master's helper are those of PPTP.
            unsafe { abi::ct_sync_gre_keymap_add(self.as_ptr(), master.as_ptr()) }
        }
    }
}

/// Has the module of a helper loaded. Nobody waits for that. The name ends with NUL.
///
/// # Context
///
/// Process.
pub(crate) fn request(name: &CStr) {
    // SAFETY: The name ends with NUL.
    unsafe { abi::ct_sync_helper_request(name.as_char_ptr()) }
}
