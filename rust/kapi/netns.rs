// SPDX-License-Identifier: GPL-2.0

//! What a module has in each network namespace.
//!
//! `struct pernet_operations` makes a [`PerNet`] for each namespace and ends it with the namespace
//! or with the module: `pre_exit` stops all that runs in it, `exit` frees it.
//!
//! # Teardown
//!
//! After [`Subsystem`] is dropped no callback runs any more: `unregister_pernet_subsys()` has ended
//! what every namespace has, with its proc file and its works, and the notifiers of devices and
//! modules were unregistered before it.

use core::ffi::{c_void, CStr};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::str::CStrExt;
use kernel::sync::Arc;

use super::abi;
use super::net::{Net, Work};
use super::netdev::{DeviceEvent, NetDevice, Rtnl};
use super::notifier::{self, Listener};
use super::skb::Skb;

/// What a module has in a namespace.
pub(crate) trait PerNet: Send + Sync + Sized + 'static {
    /// Who hears conntrack events.
    type Listener: Listener;

    /// The name of its file in `/proc/net`.
    const NAME: &'static CStr;

    /// Makes it, in a namespace that is being set up.
    ///
    /// # Errors
    ///
    /// Whatever keeps the namespace from being made.
    fn new(net: Net) -> Result<Arc<Self>>;

    /// Stops all that runs, for good.
    fn shut_down(&self);

    /// Writes its file.
    fn show(&self, seq: &SeqFile);

    /// Does what was queued. May sleep.
    fn work(&self, work: Work);

    /// Takes note of something that has happened to a device.
    fn device_event(&self, rtnl: &Rtnl, dev: &NetDevice, event: DeviceEvent);

    /// Whether it matters that a module comes, or has come or gone.
    fn module_matters(name: &CStr, coming: bool) -> bool;

    /// Takes note of that, in this namespace.
    fn module_changed(&self);

    /// Takes note of a packet to this node that came in by another interface than the one that
    /// hooks watch.
    fn foreign(&self, skb: &Skb);

    /// Whether a packet passes a device that is watched.
    fn passes(&self, skb: &Skb) -> bool;
}

/// The registration of all per-namespace callbacks; ends what every namespace has when dropped.
pub(crate) struct Subsystem<T: PerNet>(PhantomData<T>);

impl<T: PerNet> Subsystem<T> {
    const OPS: abi::ct_sync_net_ops = abi::ct_sync_net_ops {
        name: kernel::str::as_char_ptr_in_const_context(T::NAME),
        init: init::<T>,
        pre_exit: pre_exit::<T>,
        exit: exit::<T>,
        work: work::<T>,
        show: show::<T>,
        device: device::<T>,
        module_matters: module_matters::<T>,
        module_changed: module_changed::<T>,
        foreign: foreign::<T>,
        passes: passes::<T>,
        event: notifier::event::<T::Listener>,
        expectation: notifier::expectation::<T::Listener>,
        packet: notifier::packet::<T::Listener>,
    };

    /// Loads ctnetlink if it can be loaded, and makes a `T` in every namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `register_pernet_subsys()` returns.
    pub(crate) fn register() -> Result<Self> {
        let ops = Self::OPS;
        // SAFETY: Called once, from module init; undone by drop. The callbacks are copied.
        kernel::error::to_result(unsafe { abi::ct_sync_subsystem_register(&raw const ops) })?;
        Ok(Self(PhantomData))
    }

    /// What the initial namespace has.
    pub(crate) fn initial(&self) -> Arc<T> {
        // SAFETY: The subsystem is registered, so the initial namespace has one.
        let owner = unsafe { abi::ct_sync_init_net_owner() };
        // SAFETY: It was stored by `init` and lives until `self` is dropped.
        unsafe { borrow::<T>(owner) }.clone()
    }
}

impl<T: PerNet> Drop for Subsystem<T> {
    fn drop(&mut self) {
        // SAFETY: By construction it was registered, and is not used again.
        unsafe { abi::ct_sync_subsystem_unregister() }
    }
}

/// The module parameter `syncdev`: empty for none.
pub(crate) fn param_syncdev() -> &'static CStr {
    // SAFETY: Returns a static string of the module, which is read-only after load.
    unsafe { CStr::from_char_ptr(abi::ct_sync_param_syncdev()) }
}

/// The version of the module, as modinfo(8) shows it.
pub(crate) fn version() -> &'static CStr {
    // SAFETY: Returns a constant text.
    unsafe { CStr::from_char_ptr(abi::ct_sync_version()) }
}

/// What a namespace has, as C keeps it.
type Owned<T> = KBox<Arc<T>>;

/// What is behind C's pointer.
///
/// # Safety
///
/// `owner` was made by [`init`] for the same `T`, and [`exit`] has not been called with it, nor
/// will it be during `'a`.
unsafe fn borrow<'a, T>(owner: *mut c_void) -> &'a Arc<T> {
    // SAFETY: By the caller's promise it points to a live `Arc<T>`.
    unsafe { &*owner.cast::<Arc<T>>() }
}

/// # Safety
///
/// For `netns.c` only: `net` is being set up and outlives what is made; `slot` may be written.
unsafe extern "C" fn init<T: PerNet>(net: *mut abi::net, slot: *mut *mut c_void) -> i32 {
    kernel::error::from_result(|| {
        // SAFETY: By the caller's promise; `exit` of this namespace ends who holds it.
        let owner = T::new(unsafe { Net::from_raw(net) })?;
        // Its files may hold it, so only this ends it.
        let owner: Owned<T> =
            KBox::new(owner.clone(), GFP_KERNEL).inspect_err(|_| owner.shut_down())?;
        // SAFETY: The caller lets us write the slot.
        unsafe { slot.write(KBox::into_raw(owner).cast()) };
        Ok(0)
    })
}

/// # Safety
///
/// For `netns.c` only, as all that follow: `owner` was made by [`init`] and is not freed.
unsafe extern "C" fn pre_exit<T: PerNet>(owner: *mut c_void) {
    // SAFETY: By the caller's promise.
    unsafe { borrow::<T>(owner) }.shut_down();
}

/// # Safety
///
/// As above, and `owner` is not used again.
unsafe extern "C" fn exit<T: PerNet>(owner: *mut c_void) {
    // SAFETY: By the caller's promise it is the box that `init` let go of.
    drop(unsafe { Owned::<T>::from_raw(owner.cast()) });
}

/// # Safety
///
/// As [`pre_exit`].
unsafe extern "C" fn work<T: PerNet>(owner: *mut c_void, which: u32) {
    // SAFETY: By the caller's promise.
    unsafe { borrow::<T>(owner) }.work(Work(which));
}

/// # Safety
///
/// As [`pre_exit`]; `seq` is the open file, used by this task only.
unsafe extern "C" fn show<T: PerNet>(owner: *mut c_void, seq: *mut abi::seq_file) {
    // SAFETY: By the caller's promise.
    let owner = unsafe { borrow::<T>(owner) };
    // SAFETY: By the caller's promise.
    owner.show(unsafe { SeqFile::from_raw(seq.cast()) });
}

/// # Safety
///
/// As [`pre_exit`]; rtnl is held, and `dev` is a device of the namespace.
unsafe extern "C" fn device<T: PerNet>(
    owner: *mut c_void,
    dev: *mut abi::net_device,
    event: usize,
) {
    // SAFETY: By the caller's promise; who gives the event unlocks it.
    let rtnl = ManuallyDrop::new(unsafe { Rtnl::assume_held() });
    // SAFETY: By the caller's promise.
    if let Some(dev) = unsafe { NetDevice::from_raw(dev) } {
        // SAFETY: By the caller's promise.
        unsafe { borrow::<T>(owner) }.device_event(&rtnl, dev, DeviceEvent::from_number(event));
    }
}

/// # Safety
///
/// For `netns.c` only: the name ends with NUL.
unsafe extern "C" fn module_matters<T: PerNet>(name: *const c_char, state: usize) -> bool {
    // SAFETY: By the caller's promise.
    let name = unsafe { CStr::from_char_ptr(name) };
    T::module_matters(name, state == abi::MODULE_STATE_COMING)
}

/// # Safety
///
/// As [`pre_exit`].
unsafe extern "C" fn module_changed<T: PerNet>(owner: *mut c_void) {
    // SAFETY: By the caller's promise.
    unsafe { borrow::<T>(owner) }.module_changed();
}

/// # Safety
///
/// For `hooks.c` only: as [`pre_exit`], and `skb` is a packet that a hook is given.
unsafe extern "C" fn foreign<T: PerNet>(owner: *mut c_void, skb: *mut abi::sk_buff) {
    // SAFETY: By the caller's promise.
    unsafe { borrow::<T>(owner) }.foreign(unsafe { Skb::from_raw(skb) });
}

/// # Safety
///
/// As [`foreign`].
unsafe extern "C" fn passes<T: PerNet>(owner: *mut c_void, skb: *mut abi::sk_buff) -> bool {
    // SAFETY: By the caller's promise.
    unsafe { borrow::<T>(owner) }.passes(unsafe { Skb::from_raw(skb) })
}
