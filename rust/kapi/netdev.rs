// SPDX-License-Identifier: GPL-2.0

//! Devices (`struct net_device`), and the lock under which they come and go.
//!
//! # Teardown
//!
//! [`DeviceHooks`] hold a reference to their device, which cannot go before they are dropped:
//! whoever keeps some has to drop them at [`DeviceEvent::Unregister`]. After the drop no hook runs
//! any more: `nf_unregister_net_hook()` and `synchronize_net()`.

use core::ffi::CStr;
use core::marker::PhantomPinned;
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::str::CStrExt;
use kernel::sync::rcu;
use kernel::types::{NotThreadSafe, Opaque};

use super::abi;
use super::net::Net;

/// The lock under which devices come, go and change (`rtnl_lock()`).
///
/// # Invariants
///
/// It is held by this task.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Takes the lock.
    ///
    /// # Context
    ///
    /// Process.
    pub(crate) fn lock() -> Self {
        // SAFETY: The drop unlocks.
        unsafe { abi::rtnl_lock() };
        // INVARIANT: Locked just now.
        Self(NotThreadSafe)
    }

    /// Takes the caller's word that it is held; not to be dropped.
    ///
    /// # Safety
    ///
    /// It is held by this task, for as long as the result is used.
    pub(super) unsafe fn assume_held() -> Self {
        // INVARIANT: By the caller's promise.
        Self(NotThreadSafe)
    }

    /// The devices of a namespace.
    pub(crate) fn devices(&self, net: Net) -> impl Iterator<Item = &NetDevice> {
        // SAFETY: By the invariant of `Net`, and the list does not change.
        let mut next = unsafe { abi::ct_sync_netdev_first(net.raw()) };
        core::iter::from_fn(move || {
            // SAFETY: A device is not freed while the lock is held.
            let dev = unsafe { NetDevice::from_raw(next) }?;
            // SAFETY: It is in the list.
            next = unsafe { abi::ct_sync_netdev_next(next) };
            Some(dev)
        })
    }

    /// The device of that name.
    pub(crate) fn find(&self, net: Net, name: &CStr) -> Option<&NetDevice> {
        // SAFETY: By the invariant of `Net`; the name ends with NUL; the lock is held.
        let dev = unsafe { abi::__dev_get_by_name(net.raw(), name.as_char_ptr()) };
        // SAFETY: A device is not freed while the lock is held.
        unsafe { NetDevice::from_raw(dev) }
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { abi::rtnl_unlock() }
    }
}

/// Longest name of a device, without its NUL.
pub(crate) const DEVICE_NAME_MAX: usize = abi::IFNAMSIZ - 1;

/// What is known of an interface that was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its index.
    pub(crate) ifindex: u32,
    /// Its MTU in bytes.
    pub(crate) mtu: u32,
}

impl Net {
    /// Finds an interface by its name.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the namespace has none of that name.
    pub(crate) fn find_device(self, name: &CStr) -> Result<Device> {
        let _rcu = rcu::read_lock();
        // SAFETY: By the type invariant the namespace is alive; the name ends with NUL; under RCU.
        let dev = unsafe { abi::dev_get_by_name_rcu(self.raw(), name.as_char_ptr()) };
        // SAFETY: It is not freed before a grace period is over.
        let dev = unsafe { NetDevice::from_raw(dev) }.ok_or(ENODEV)?;
        Ok(Device {
            ifindex: dev.ifindex(),
            mtu: dev.mtu(),
        })
    }
}

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// It is there.
    Register,
    /// It goes.
    Unregister,
    /// It has another name.
    ChangeName,
    /// It has another device above it.
    ChangeUpper,
    /// It has another MTU.
    ChangeMtu,
    /// It was switched on.
    Up,
    /// Something else.
    Other,
}

impl DeviceEvent {
    /// That of `enum netdev_cmd`.
    pub(super) fn from_number(number: usize) -> Self {
        match number {
            abi::NETDEV_REGISTER => Self::Register,
            abi::NETDEV_UNREGISTER => Self::Unregister,
            abi::NETDEV_CHANGENAME => Self::ChangeName,
            abi::NETDEV_CHANGEUPPER => Self::ChangeUpper,
            abi::NETDEV_CHANGEMTU => Self::ChangeMtu,
            abi::NETDEV_UP => Self::Up,
            _ => Self::Other,
        }
    }
}

/// A device.
///
/// # Invariants
///
/// A `struct net_device` that is not freed while it is borrowed: under [`Rtnl`], or in an RCU
/// section.
#[repr(transparent)]
pub(crate) struct NetDevice(Opaque<abi::net_device>, PhantomPinned);

impl NetDevice {
    /// Takes a pointer of C's for a borrowed device.
    ///
    /// # Safety
    ///
    /// `dev` is NULL, or a device that is not freed during `'a`.
    pub(super) unsafe fn from_raw<'a>(dev: *mut abi::net_device) -> Option<&'a Self> {
        // SAFETY: By the caller's promise; `Self` is transparent.
        unsafe { dev.cast::<Self>().as_ref() }
    }

    /// The pointer, for C.
    pub(super) fn as_ptr(&self) -> *mut abi::net_device {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Its name. Under RCU only it may be changing.
    pub(crate) fn name(&self, _rtnl: &Rtnl) -> &CStr {
        // SAFETY: By the type invariant.
        let name = unsafe { abi::ct_sync_netdev_name(self.as_ptr()) };
        // SAFETY: An array of the device, which ends with NUL and does not change under rtnl.
        unsafe { CStr::from_char_ptr(name) }
    }

    /// Whether it is a loopback device.
    pub(crate) fn is_loopback(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_netdev_flags(self.as_ptr()) & abi::IFF_LOOPBACK != 0 }
    }

    /// Whether it is switched on.
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_netdev_flags(self.as_ptr()) & abi::IFF_UP != 0 }
    }

    /// Its index.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_netdev_ifindex(self.as_ptr()) }
    }

    /// Its MTU in bytes.
    pub(crate) fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_netdev_mtu(self.as_ptr()) }
    }

    /// Whether it is somewhere below another device: VLAN, bond, bridge.
    pub(crate) fn is_below(&self, upper: &NetDevice) -> bool {
        let _rcu = rcu::read_lock();
        // SAFETY: By the type invariant of both; under RCU.
        unsafe { abi::netdev_has_upper_dev_all_rcu(self.as_ptr(), upper.as_ptr()) }
    }
}

/// Hooks for what comes in by a device and what goes out by it: they ask
/// [`PerNet::passes`](super::netns::PerNet::passes), while they are told to watch.
///
/// # Invariants
///
/// Of `ct_sync_device_hooks_register()`.
pub(crate) struct DeviceHooks(NonNull<abi::ct_sync_device_hooks>);

// SAFETY: Any task may unregister hooks.
unsafe impl Send for DeviceHooks {}

impl DeviceHooks {
    /// Puts hooks on a device.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `nf_register_net_hook()` says.
    pub(crate) fn register(dev: &NetDevice, _rtnl: &Rtnl) -> Result<Self> {
        // SAFETY: By the type invariant of the device, under rtnl.
        let hooks = unsafe { abi::ct_sync_device_hooks_register(dev.as_ptr()) };
        let hooks = kernel::error::from_err_ptr(hooks)?;
        // INVARIANT: Registered just now.
        Ok(Self(NonNull::new(hooks).ok_or(ENOMEM)?))
    }

    /// The device.
    fn device(&self) -> *mut abi::net_device {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_device_hooks_dev(self.0.as_ptr()) }
    }

    /// Whether they are on this device.
    pub(crate) fn are_on(&self, dev: &NetDevice) -> bool {
        self.device() == dev.as_ptr()
    }

    /// Has the device tell its neighbours where its addresses are, as after its link came up.
    pub(crate) fn announce(&self, _rtnl: &Rtnl) {
        // SAFETY: They have a reference to the device; under rtnl.
        unsafe { abi::ct_sync_netdev_announce(self.device()) }
    }
}

impl Drop for DeviceHooks {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; they are not used again.
        unsafe { abi::ct_sync_device_hooks_unregister(self.0.as_ptr()) }
    }
}
