// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what the module has in each.
//!
//! `struct pernet_operations` makes an [`Instance`] for each namespace and ends it with the
//! namespace or with the module: `pre_exit` stops all that runs in it, `exit` frees it. After
//! [`Subsystem`] is dropped no callback runs any more: `unregister_pernet_subsys()` has ended
//! every namespace's instance, and the notifiers were unregistered before it.

use core::ffi::{c_int, c_void, CStr};
use core::ptr::NonNull;

use kernel::bindings;
use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::Arc;

use super::abi;
use crate::instance::Instance;

/// Longest name of an interface, without its NUL (`IFNAMSIZ` - 1).
pub(crate) const DEVICE_NAME_MAX: usize = 15;

extern "C" {
    fn ct_sync_subsystem_register() -> c_int;
    fn ct_sync_subsystem_unregister();
    fn ct_sync_init_net_instance() -> *mut c_void;
    fn ct_sync_param_syncdev() -> *const c_char;
    fn ct_sync_device_find(
        net: *mut c_void,
        name: *const c_char,
        ifindex: *mut u32,
        mtu: *mut u32,
    ) -> c_int;
    fn ct_sync_net_inum(net: *mut c_void) -> u32;
}

/// A network namespace.
///
/// # Invariants
///
/// Points to a `struct net` that lives at least until the `exit` of the instance made for it:
/// whoever holds a `Net` got it from that instance, and gives it up before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net(NonNull<c_void>);

// SAFETY: The helpers that take a `struct net` may be called from any task (net_namespace.h).
unsafe impl Send for Net {}
// SAFETY: As above; nothing is changed through the pointer without the helpers' own locks.
unsafe impl Sync for Net {}

impl Net {
    /// The pointer, for the helpers.
    pub(super) fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// The pointer, for C.
    pub(super) fn raw(self) -> *mut abi::net {
        self.0.as_ptr().cast()
    }

    /// Takes a pointer of C's.
    ///
    /// # Safety
    ///
    /// `net` is a namespace that lives as long as the type invariant says.
    pub(super) unsafe fn from_raw(net: *mut abi::net) -> Self {
        // SAFETY: By the caller's promise it is not NULL.
        Self(unsafe { NonNull::new_unchecked(net.cast()) })
    }

    /// The number of the namespace, as `readlink /proc/self/ns/net` shows it.
    pub(crate) fn inum(self) -> u32 {
        // SAFETY: By the type invariant the namespace is alive.
        unsafe { ct_sync_net_inum(self.as_ptr()) }
    }

    /// Finds an interface by its name.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the namespace has none of that name.
    pub(crate) fn find_device(self, name: &CStr) -> Result<Device> {
        let mut device = Device { ifindex: 0, mtu: 0 };
        // SAFETY: By the type invariant the namespace is alive; the name ends with NUL and both
        // results are ours to write.
        let err = unsafe {
            ct_sync_device_find(
                self.as_ptr(),
                name.as_char_ptr(),
                &raw mut device.ifindex,
                &raw mut device.mtu,
            )
        };
        kernel::error::to_result(err)?;
        Ok(device)
    }
}

/// What is known of an interface that was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its index.
    pub(crate) ifindex: u32,
    /// Its MTU in bytes.
    pub(crate) mtu: u32,
}

/// The registration of all per-namespace callbacks; ends every instance when dropped.
pub(crate) struct Subsystem(());

impl Subsystem {
    /// Loads ctnetlink if it can be loaded, and makes an instance in every namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `register_pernet_subsys()` returns.
    pub(crate) fn register() -> Result<Self> {
        // SAFETY: Called once, from module init; undone by drop.
        kernel::error::to_result(unsafe { ct_sync_subsystem_register() })?;
        Ok(Self(()))
    }

    /// The instance of the initial namespace.
    pub(crate) fn initial(&self) -> Arc<Instance> {
        // SAFETY: The subsystem is registered, so the initial namespace has an instance.
        let instance = unsafe { ct_sync_init_net_instance() };
        // SAFETY: It was stored by `ct_sync_rs_net_init` and lives until `self` is dropped.
        unsafe { borrow(instance) }.clone()
    }
}

impl Drop for Subsystem {
    fn drop(&mut self) {
        // SAFETY: By construction it was registered, and is not used again.
        unsafe { ct_sync_subsystem_unregister() }
    }
}

/// The module parameter `syncdev`: empty for none.
pub(crate) fn param_syncdev() -> &'static CStr {
    // SAFETY: Returns a static string of the module, which is read-only after load.
    unsafe { CStr::from_char_ptr(ct_sync_param_syncdev()) }
}

/// An instance as C keeps it.
type Owned = KBox<Arc<Instance>>;

/// The instance behind C's pointer.
///
/// # Safety
///
/// `instance` was made by [`ct_sync_rs_net_init`] and [`ct_sync_rs_net_exit`] has not been called
/// with it, nor will it be during `'a`.
pub(super) unsafe fn borrow<'a>(instance: *mut c_void) -> &'a Arc<Instance> {
    // SAFETY: By the caller's promise it points to a live `Arc<Instance>`.
    unsafe { &*instance.cast::<Arc<Instance>>() }
}

/// Makes the instance of a new namespace.
///
/// # Safety
///
/// For `netns.c` only: `net` is being set up and outlives the instance; `slot` may be written.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_net_init(net: *mut c_void, slot: *mut *mut c_void) -> c_int {
    kernel::error::from_result(|| {
        // INVARIANT: `exit` of this namespace ends the instance (netns.c).
        let net = Net(NonNull::new(net).ok_or(EINVAL)?);
        let instance = Instance::new(net)?;
        // Its files hold the instance, so only this ends it.
        let instance: Owned =
            KBox::new(instance.clone(), GFP_KERNEL).inspect_err(|_| instance.shut_down())?;
        // SAFETY: The caller lets us write the slot.
        unsafe { slot.write(KBox::into_raw(instance).cast()) };
        Ok(0)
    })
}

/// Stops all that runs in a namespace.
///
/// # Safety
///
/// For `netns.c` only: `instance` was made by [`ct_sync_rs_net_init`] and is not freed.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_net_pre_exit(instance: *mut c_void) {
    // SAFETY: By the caller's promise.
    unsafe { borrow(instance) }.shut_down();
}

/// Frees the instance.
///
/// # Safety
///
/// For `netns.c` only: as above, and `instance` is not used again.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_net_exit(instance: *mut c_void) {
    // SAFETY: By the caller's promise it is the box that `ct_sync_rs_net_init` let go of.
    drop(unsafe { Owned::from_raw(instance.cast()) });
}

/// Starts or stops replication after a device came or went.
///
/// # Safety
///
/// As [`ct_sync_rs_net_pre_exit`].
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_reconcile(instance: *mut c_void) {
    // SAFETY: By the caller's promise.
    unsafe { borrow(instance) }.reconcile();
}

/// Writes `/proc/net/ct_sync`.
///
/// # Safety
///
/// As [`ct_sync_rs_net_pre_exit`]; `seq` is the open file, used by this task only.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_show(instance: *mut c_void, seq: *mut bindings::seq_file) {
    // SAFETY: By the caller's promise.
    let instance = unsafe { borrow(instance) };
    // SAFETY: By the caller's promise.
    instance.show(unsafe { SeqFile::from_raw(seq) });
}
