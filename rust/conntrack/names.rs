// SPDX-License-Identifier: GPL-2.0

//! Names in records: of helpers, and of what the kernel does with expected connections.

use core::ffi::CStr;

use kernel::sync::rcu;

use crate::kapi::helper::Helper;

/// The name in a record, if there is one: it ends with NUL.
pub(super) fn name(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_until_nul(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

/// Puts a name into a record, and NULs behind it; what does not fit is left out.
pub(super) fn put_name(place: &mut [u8], name: &CStr) {
    let bytes = name.to_bytes();
    let length = bytes.len().min(place.len().saturating_sub(1));
    if let (Some(place), Some(bytes)) = (place.get_mut(..length), bytes.get(..length)) {
        place.copy_from_slice(bytes);
    }
}

/// The helper of that name, if there is one that works in the kernel.
pub(super) fn find_helper<'g>(
    bytes: &[u8],
    family: u8,
    protocol: u8,
    rcu: &'g rcu::Guard,
) -> Option<&'g Helper> {
    Helper::find(name(bytes)?, family, protocol, rcu)
}
