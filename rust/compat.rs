// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that are supported (7.2 and 7.3), and only that.

use core::borrow::Borrow;

/// The value of a module parameter: 7.2 gives a reference to it, 7.3 the value.
pub(crate) fn parameter(value: impl Borrow<i32>) -> i32 {
    *value.borrow()
}
