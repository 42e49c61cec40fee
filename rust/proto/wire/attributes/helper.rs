// SPDX-License-Identifier: GPL-2.0

//! HELPER: the helper that looks into the packets of a connection (§4.4).

use crate::proto::relations::{HelperName, Relations, HELPER_NAME_MAX};
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};
use crate::proto::wire::name::{put_name, take_some_name};

/// Type of the attribute.
pub(super) const KIND: u8 = 7;
/// Its longest form in bytes.
pub(super) const MAX: usize = HEAD + HELPER_NAME_MAX - 1;

/// Writes the name of the helper, if there is one.
pub(super) fn put(w: &mut Writer<'_>, relations: &Relations) {
    if relations.helper != HelperName::default() {
        attribute::put(w, KIND, |w| put_name(w, &relations.helper));
    }
}

/// Reads it.
pub(super) fn take(r: &mut Reader<'_>, relations: &mut Relations) -> Option<()> {
    relations.helper = take_some_name(r)?;
    Some(())
}
