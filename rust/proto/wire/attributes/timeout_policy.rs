// SPDX-License-Identifier: GPL-2.0

//! TIMEOUT_POLICY: the timeouts of a connection that has a policy of its own, by state (§4.4).

use crate::proto::extras::{Extras, POLICY_MAX};
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 16;
/// Its longest form in bytes.
pub(super) const MAX: usize = HEAD + POLICY_MAX * 4;

/// Bytes in which the attribute fits.
pub(super) fn max(extras: &Extras) -> usize {
    if extras.policy_length != 0 {
        MAX
    } else {
        0
    }
}

/// Writes the timeouts, if there is a policy.
pub(super) fn put(w: &mut Writer<'_>, extras: &Extras) {
    let policy = extras.policy_s.get(..usize::from(extras.policy_length));
    if let Some(policy @ [_, ..]) = policy {
        attribute::put(w, KIND, |w| {
            policy.iter().for_each(|&timeout| w.u32(timeout));
        });
    }
}

/// Reads the timeouts of a policy. Returns false if there are more than this version has room for.
pub(super) fn take(r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
    let count = r.0.len() / 4;
    if r.0.is_empty() || r.0.len() % 4 != 0 {
        return None;
    }
    let Some(timeouts) = extras.policy_s.get_mut(..count) else {
        return Some(false);
    };
    for timeout in timeouts {
        *timeout = r.u32()?;
    }
    extras.policy_length = u8::try_from(count).ok()?;
    Some(true)
}
