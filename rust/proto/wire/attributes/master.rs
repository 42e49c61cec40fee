// SPDX-License-Identifier: GPL-2.0

//! MASTER: the connection that has announced this one, and the helper of that (§4.4).

use crate::proto::entry::Entry;
use crate::proto::key::Endpoints;
use crate::proto::relations::HELPER_NAME_MAX;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};
use crate::proto::wire::key::{put_address, take_address};
use crate::proto::wire::name::{put_name, take_name};

/// Type of the attribute.
pub(super) const KIND: u8 = 8;
/// Its longest form in bytes.
pub(super) const MAX: usize = HEAD + 1 + 2 * 16 + 2 * 2 + HELPER_NAME_MAX - 1;

/// Writes the master, if there is one. It is of the same family and zone.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    let relations = &entry.relations;
    if relations.master_protocol != 0 {
        attribute::put(w, KIND, |w| {
            w.u8(relations.master_protocol);
            put_address(w, &entry.key, &relations.master.src);
            put_address(w, &entry.key, &relations.master.dst);
            w.u16(relations.master.src_port);
            w.u16(relations.master.dst_port);
            put_name(w, &relations.master_helper);
        });
    }
}

/// Reads it.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    let (family, relations) = (entry.key.family, &mut entry.relations);
    relations.master_protocol = r.u8().filter(|&protocol| protocol != 0)?;
    relations.master = Endpoints {
        src: take_address(r, family)?,
        dst: take_address(r, family)?,
        src_port: r.u16()?,
        dst_port: r.u16()?,
    };
    relations.master_helper = take_name(r)?;
    Some(())
}
