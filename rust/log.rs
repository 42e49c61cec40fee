// SPDX-License-Identifier: GPL-2.0

//! Lines in the kernel's log, limited in rate: whoever is root of a namespace can cause some. Each
//! [`Subject`] has a limit of its own, so that mistakes do not hide what happens.

/// As `pr_info!`, unless too much was logged about the subject lately.
macro_rules! info {
    ($subject:ident, $($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed($crate::log::Subject::$subject) {
            ::kernel::pr_info!($($arg)*);
        }
    };
}

/// As `pr_warn!`, unless too much was logged about the subject lately.
macro_rules! warning {
    ($subject:ident, $($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed($crate::log::Subject::$subject) {
            ::kernel::pr_warn!($($arg)*);
        }
    };
}

/// As `pr_err!`, unless too much was logged about the subject lately.
macro_rules! error {
    ($subject:ident, $($arg:tt)*) => {
        if $crate::kapi::thread::log_allowed($crate::log::Subject::$subject) {
            ::kernel::pr_err!($($arg)*);
        }
    };
}

pub(crate) use crate::kapi::thread::Subject;
pub(crate) use {error, info, warning};
