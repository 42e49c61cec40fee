// SPDX-License-Identifier: GPL-2.0

//! Sysctl files of a namespace, generic over who reads and writes them, as long as a [`Files`]
//! exists.
//!
//! # Teardown
//!
//! After the drop no handler runs any more: `unregister_net_sysctl_table()` waits for them.

use core::ffi::{c_void, CStr};
use core::fmt::Write;
use core::ptr::NonNull;

use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::str::{as_char_ptr_in_const_context, CStrExt, NullTerminatedFormatter};
use kernel::sync::Arc;

use super::abi;
use super::net::Net;

/// Who has sysctl files.
pub(crate) trait Sysctl: Send + Sync + Sized + 'static {
    /// Where the files are, below `/proc/sys`: each is in all of these folders.
    const FOLDERS: [&'static CStr; abi::CT_SYNC_SYSCTL_FOLDERS];

    /// Name and mode of file number `index`; `None` behind the last one.
    fn file(index: usize) -> Option<(&'static CStr, u16)>;

    /// Writes the value of a file.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer is too small.
    fn read(&self, index: usize, out: &mut impl Write) -> Result;

    /// Takes a value, which has no white space around it.
    ///
    /// # Errors
    ///
    /// What the writer is told.
    fn write(&self, index: usize, text: &str) -> Result;
}

/// Most files that one can have.
const FILES_MAX: usize = 64;

/// The registered files of a `T`.
///
/// # Invariants
///
/// `files` is what `ct_sync_sysctl_register` returned for `_owner`.
pub(crate) struct Files<T: Sysctl> {
    files: NonNull<abi::ct_sync_sysctl>,
    _owner: Arc<T>,
}

// SAFETY: Any task may unregister sysctl tables; the owner is `Send` and `Sync`.
unsafe impl<T: Sysctl> Send for Files<T> {}

impl<T: Sysctl> Files<T> {
    const OPS: &'static abi::ct_sync_sysctl_ops = &abi::ct_sync_sysctl_ops {
        read: read::<T>,
        write: write::<T>,
        folders: [
            as_char_ptr_in_const_context(T::FOLDERS[0]),
            as_char_ptr_in_const_context(T::FOLDERS[1]),
        ],
    };

    /// Registers the files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn register(net: Net, owner: Arc<T>) -> Result<Self> {
        let none = abi::ct_sync_sysctl_file {
            name: core::ptr::null(),
            mode: 0,
        };
        let mut files = [none; FILES_MAX];
        let mut count = 0;
        for (place, (name, mode)) in files.iter_mut().zip((0..).map_while(T::file)) {
            (place.name, place.mode) = (name.as_char_ptr(), mode);
            count += 1;
        }
        let pointer = Arc::as_ptr(&owner).cast_mut().cast();
        // SAFETY: By the invariant of `Net`; the owner lives until the drop has unregistered; the
        // names and the operations are static, and the array is only read during the call.
        let files = unsafe {
            abi::ct_sync_sysctl_register(net.raw(), Self::OPS, pointer, files.as_ptr(), count)
        };
        // INVARIANT: Registered just now, for this owner.
        Ok(Self {
            files: NonNull::new(files).ok_or(ENOMEM)?,
            _owner: owner,
        })
    }
}

impl<T: Sysctl> Drop for Files<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used again.
        unsafe { abi::ct_sync_sysctl_unregister(self.files.as_ptr()) }
    }
}

/// Writes the value of a file into `text`, with a NUL.
///
/// # Safety
///
/// For `sysctl.c` only: `owner` was registered with the same `T`; `text` has room for `text_max`
/// bytes.
unsafe extern "C" fn read<T: Sysctl>(
    owner: *mut c_void,
    index: u32,
    text: *mut c_char,
    text_max: usize,
) -> i32 {
    // SAFETY: By the caller's promise.
    let owner = unsafe { &*owner.cast::<T>() };
    // SAFETY: By the caller's promise; nobody else sees the buffer.
    let text = unsafe { core::slice::from_raw_parts_mut(text, text_max) };
    kernel::error::from_result(|| {
        let mut writer = NullTerminatedFormatter::new(text).ok_or(EINVAL)?;
        owner.read(index as usize, &mut writer)?;
        Ok(0)
    })
}

/// Sets a file from text.
///
/// # Safety
///
/// As [`read`]; `text` has `length` bytes.
unsafe extern "C" fn write<T: Sysctl>(
    owner: *mut c_void,
    index: u32,
    text: *const c_char,
    length: usize,
) -> i32 {
    // SAFETY: By the caller's promise.
    let owner = unsafe { &*owner.cast::<T>() };
    // SAFETY: By the caller's promise.
    let text = unsafe { core::slice::from_raw_parts(text, length) };
    kernel::error::from_result(|| {
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        owner.write(index as usize, text.trim())?;
        Ok(0)
    })
}
