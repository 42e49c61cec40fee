// SPDX-License-Identifier: GPL-2.0

//! The sysctl files of a namespace, as long as a [`Files`] exists.
//!
//! After its drop no handler runs any more: `unregister_net_sysctl_table()` waits for them.

use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::str::NullTerminatedFormatter;
use kernel::sync::Arc;

use super::netns::Net;
use crate::config::KNOBS;
use crate::instance::Instance;

extern "C" {
    fn ct_sync_knobs_register(
        net: *mut c_void,
        instance: *mut c_void,
        names: *const *const c_char,
        modes: *const u16,
        count: u32,
    ) -> *mut c_void;
    fn ct_sync_knobs_unregister(knobs: *mut c_void);
}

/// How many knobs there are.
const COUNT: usize = KNOBS.len();

/// The registered files.
///
/// # Invariants
///
/// `files` is what `ct_sync_knobs_register` returned for `_instance`.
pub(crate) struct Files {
    files: NonNull<c_void>,
    _instance: Arc<Instance>,
}

// SAFETY: Any task may unregister sysctl tables.
unsafe impl Send for Files {}

impl Files {
    /// Registers a file for each of [`KNOBS`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn register(net: Net, instance: Arc<Instance>) -> Result<Self> {
        let names: [*const c_char; COUNT] = core::array::from_fn(|i| KNOBS[i].name.as_char_ptr());
        let modes: [u16; COUNT] = core::array::from_fn(|i| KNOBS[i].mode());
        let pointer = Arc::as_ptr(&instance).cast_mut().cast();
        // SAFETY: By the invariant of `Net`; the instance lives until the drop has unregistered;
        // the names are static, and the arrays are only read during the call.
        let files = unsafe {
            ct_sync_knobs_register(
                net.as_ptr(),
                pointer,
                names.as_ptr(),
                modes.as_ptr(),
                COUNT as u32,
            )
        };
        // INVARIANT: Registered just now, for this instance.
        Ok(Self {
            files: NonNull::new(files).ok_or(ENOMEM)?,
            _instance: instance,
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used again.
        unsafe { ct_sync_knobs_unregister(self.files.as_ptr()) }
    }
}

/// Writes the value of a knob into `text`, with a NUL.
///
/// # Safety
///
/// For `knobs.c` only: `instance` is what was registered; `text` has room for `text_max` bytes.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_knob_read(
    instance: *mut c_void,
    index: u32,
    text: *mut u8,
    text_max: usize,
) -> c_int {
    // SAFETY: By the caller's promise.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: By the caller's promise; nobody else sees the buffer.
    let text = unsafe { core::slice::from_raw_parts_mut(text, text_max) };
    kernel::error::from_result(|| {
        let knob = KNOBS.get(index as usize).ok_or(EINVAL)?;
        let mut writer = NullTerminatedFormatter::new(text).ok_or(EINVAL)?;
        instance.read_knob(knob, &mut writer)?;
        Ok(0)
    })
}

/// Sets a knob from text.
///
/// # Safety
///
/// For `knobs.c` only: `instance` is what was registered; `text` has `length` bytes.
#[no_mangle]
unsafe extern "C" fn ct_sync_rs_knob_write(
    instance: *mut c_void,
    index: u32,
    text: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: By the caller's promise.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: By the caller's promise.
    let text = unsafe { core::slice::from_raw_parts(text, length) };
    kernel::error::from_result(|| {
        let knob = KNOBS.get(index as usize).ok_or(EINVAL)?;
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        instance.write_knob(knob, text.trim())?;
        Ok(0)
    })
}
