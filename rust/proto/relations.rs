// SPDX-License-Identifier: GPL-2.0

//! What ties a connection to others: its helper, its master, what it expects, and what a helper's
//! NAT has done to its sequence numbers (§4.4).
//!
//! The structs are shared with C, as those of `entry.rs`.

use super::attribute::attribute;
use super::bytes::{Reader, Writer};
use super::entry::{Endpoints, Entry};
use super::key::{flag, put_address, take_address};

/// Longest name of a helper, in bytes, with the NUL behind it.
pub const HELPER_NAME_MAX: usize = 16;
/// Expectations of one connection that are sent: a helper has few at a time, and some are told
/// again with each packet of the connection.
pub const EXPECTATIONS_MAX: u8 = 32;

/// Most bytes that the attributes of this file take.
pub(super) const RELATIONS_MAX: usize = (2 + HELPER_NAME_MAX - 1)
    + (2 + 1 + 2 * 16 + 2 * 2 + HELPER_NAME_MAX - 1)
    + (2 + 1 + 2 * 12)
    + (2 + 1);

/// Types of attributes.
mod kind {
    pub(super) const HELPER: u8 = 7;
    pub(super) const MASTER: u8 = 8;
    pub(super) const SEQADJ: u8 = 9;
    pub(super) const EXPECTED: u8 = 10;
}

/// SEQADJ mask: the original direction follows.
const SEQADJ_ORIGINAL: u8 = 1;
/// SEQADJ mask: the reply direction follows.
const SEQADJ_REPLY: u8 = 2;

/// The name of a helper, with NULs behind it; all NUL is none.
pub type HelperName = [u8; HELPER_NAME_MAX];

/// How the sequence numbers of one direction are changed.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SeqAdj {
    /// Where the last change was.
    pub position: u32,
    /// What is added up to there.
    pub before: i32,
    /// What is added behind it.
    pub after: i32,
}

/// Relations of one connection at one moment.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relations {
    /// Changes of the sequence numbers, original and reply direction.
    pub seqadj: [SeqAdj; 2],
    /// The original direction of the master, of the same family and zone.
    pub master: Endpoints,
    /// The helper that looks into the connection's packets.
    pub helper: HelperName,
    /// That of the master.
    pub master_helper: HelperName,
    /// IP protocol of the master; 0 if there is no master.
    pub master_protocol: u8,
    /// Connections that are expected; each is told of by a record of its own.
    pub expectations: u8,
    /// Those of which nothing can be told. Never sent.
    pub expectations_left_out: u8,
    /// Zero.
    pub reserved: u8,
}

// The layout that helpers/ct_sync.h asserts as well.
const _: () = {
    assert!(core::mem::size_of::<Relations>() == 96);
    assert!(core::mem::offset_of!(Relations, master) == 24);
    assert!(core::mem::offset_of!(Relations, helper) == 60);
};

/// Writes a name without the NULs behind it.
pub(super) fn put_name(w: &mut Writer<'_>, name: &[u8]) {
    let len = name.iter().position(|&byte| byte == 0);
    w.put(name.get(..len.unwrap_or(name.len())).unwrap_or_default());
}

/// Reads all that is left as a name: letters, digits, `-`, `_` and `.`, and a NUL must fit behind.
pub(super) fn take_name<const N: usize>(r: &mut Reader<'_>) -> Option<[u8; N]> {
    let mut name = [0; N];
    let bytes = r.slice(r.0.len())?;
    let fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if bytes.len() >= N || !bytes.iter().all(fit) {
        return None;
    }
    name.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(name)
}

/// Reads a name that is not empty.
pub(super) fn take_some_name<const N: usize>(r: &mut Reader<'_>) -> Option<[u8; N]> {
    take_name(r).filter(|name| name.first() != Some(&0))
}

/// Writes the attributes of what there is.
pub(super) fn put_relations(w: &mut Writer<'_>, entry: &Entry) {
    let relations = &entry.relations;
    if relations.helper != HelperName::default() {
        attribute(w, kind::HELPER, |w| put_name(w, &relations.helper));
    }
    if relations.master_protocol != 0 {
        attribute(w, kind::MASTER, |w| {
            w.u8(relations.master_protocol);
            put_address(w, &entry.key, &relations.master.src);
            put_address(w, &entry.key, &relations.master.dst);
            w.u16(relations.master.src_port);
            w.u16(relations.master.dst_port);
            put_name(w, &relations.master_helper);
        });
    }
    put_seqadj(w, &relations.seqadj);
    if relations.expectations != 0 {
        attribute(w, kind::EXPECTED, |w| w.u8(relations.expectations));
    }
}

/// Writes the directions whose sequence numbers are changed.
fn put_seqadj(w: &mut Writer<'_>, [original, reply]: &[SeqAdj; 2]) {
    let changed = |seqadj: &SeqAdj| *seqadj != SeqAdj::default();
    let mask = flag(changed(original), SEQADJ_ORIGINAL) | flag(changed(reply), SEQADJ_REPLY);
    if mask == 0 {
        return;
    }
    attribute(w, kind::SEQADJ, |w| {
        w.u8(mask);
        for seqadj in [original, reply].into_iter().filter(|&s| changed(s)) {
            w.u32(seqadj.position);
            w.put(&seqadj.before.to_be_bytes());
            w.put(&seqadj.after.to_be_bytes());
        }
    });
}

/// Reads an attribute of type `kind`. Returns false if it is not one of this file, `None` if it
/// is malformed.
pub(super) fn take_relation(kind: u8, r: &mut Reader<'_>, entry: &mut Entry) -> Option<bool> {
    let (family, relations) = (entry.key.family, &mut entry.relations);
    match kind {
        kind::HELPER => relations.helper = take_some_name(r)?,
        kind::MASTER => {
            relations.master_protocol = r.u8().filter(|&protocol| protocol != 0)?;
            relations.master = Endpoints {
                src: take_address(r, family)?,
                dst: take_address(r, family)?,
                src_port: r.u16()?,
                dst_port: r.u16()?,
            };
            relations.master_helper = take_name(r)?;
        }
        kind::SEQADJ => {
            let mask = r.u8()?;
            for (seqadj, bit) in relations
                .seqadj
                .iter_mut()
                .zip([SEQADJ_ORIGINAL, SEQADJ_REPLY])
            {
                if mask & bit != 0 {
                    *seqadj = SeqAdj {
                        position: r.u32()?,
                        before: i32::from_be_bytes(r.array()?),
                        after: i32::from_be_bytes(r.array()?),
                    };
                }
            }
        }
        kind::EXPECTED => {
            relations.expectations = r.u8().filter(|&count| count <= EXPECTATIONS_MAX)?;
        }
        _ => return Some(false),
    }
    Some(true)
}
