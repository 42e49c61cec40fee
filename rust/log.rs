// SPDX-License-Identifier: GPL-2.0

//! Lines in the kernel's log, limited in rate: whoever is root of a namespace can cause some.

/// As `pr_info!`, unless too much was logged lately.
macro_rules! info {
    ($($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed() {
            ::kernel::pr_info!($($arg)*);
        }
    };
}

/// As `pr_warn!`, unless too much was logged lately.
macro_rules! warning {
    ($($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed() {
            ::kernel::pr_warn!($($arg)*);
        }
    };
}

/// As `pr_err!`, unless too much was logged lately.
macro_rules! error {
    ($($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed() {
            ::kernel::pr_err!($($arg)*);
        }
    };
}

pub(crate) use {error, info, warning};
