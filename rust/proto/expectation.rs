// SPDX-License-Identifier: GPL-2.0

//! Records about connections that are expected (§4.7).

use super::attribute::{attribute, take_attribute};
use super::bytes::{Reader, Writer};
use super::entry::{Endpoints, Key};
use super::key::{put_address, put_key, take_address, take_key, KEY_MAX};
use super::relations::{put_name, take_some_name, HelperName, EXPECTATIONS_MAX, HELPER_NAME_MAX};

/// Longest name of a function, in bytes, with the NUL behind it.
pub const FUNCTION_NAME_MAX: usize = 32;

/// Longest body in bytes, without the type of the record.
pub(super) const EXPECTATION_MAX: usize = KEY_MAX
    + (1 + 1 + 1 + 1 + 4 + 1 + 16 + 2)
    + (2 + 2 * 16)
    + (2 + 2 * 2)
    + (2 + 1 + 16 + 2)
    + (2 + FUNCTION_NAME_MAX - 1)
    + (2 + HELPER_NAME_MAX - 1);

/// Types of attributes.
mod kind {
    pub(super) const SOURCE: u8 = 1;
    pub(super) const SOURCE_PORT: u8 = 2;
    pub(super) const NAT: u8 = 3;
    pub(super) const FUNCTION: u8 = 4;
    pub(super) const HELPER: u8 = 5;
}

/// `NF_CT_EXPECT_PERMANENT` and `NF_CT_EXPECT_INACTIVE`.
const FLAGS: u8 = 3;
/// Classes are below this (`NF_CT_MAX_EXPECT_CLASSES`).
const CLASSES: u8 = 4;

/// One connection that another one has announced.
///
/// Shared with C, as the structs of `entry.rs`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expectation {
    /// Its original direction.
    pub tuple: Endpoints,
    /// Which bits of the source address matter.
    pub source_mask: [u8; 16],
    /// Which bits of the source port matter.
    pub source_port_mask: u16,
    /// Port that it is to be translated to.
    pub nat_port: u16,
    /// Address that it is to be translated to.
    pub nat_address: [u8; 16],
    /// Seconds that it is waited for.
    pub timeout_s: u32,
    /// Name of what the kernel is to do with it (`struct nf_ct_helper_expectfn`), if anything.
    pub function: [u8; FUNCTION_NAME_MAX],
    /// The helper that it is to get, if any.
    pub helper: HelperName,
    /// Its IP protocol.
    pub protocol: u8,
    /// `NF_CT_EXPECT_*`.
    pub flags: u8,
    /// The helper's class of expectations, below 4.
    pub class: u8,
    /// Direction of the master that NAT follows: 0 original, 1 reply.
    pub direction: u8,
    /// Its place in the list of the master, from 0, the oldest first.
    pub index: u8,
    /// Length of that list.
    pub count: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

// The layout that helpers/ct_sync.h asserts as well.
const _: () = {
    assert!(core::mem::size_of::<Expectation>() == 132);
    assert!(core::mem::offset_of!(Expectation, source_mask) == 36);
    assert!(core::mem::offset_of!(Expectation, timeout_s) == 72);
    assert!(core::mem::offset_of!(Expectation, protocol) == 124);
};

/// Writes what is said of an expectation of the connection `master`.
pub(super) fn put_expectation(w: &mut Writer<'_>, master: &Key, expectation: &Expectation) {
    let tuple = &expectation.tuple;
    put_key(w, master);
    w.u8(expectation.index);
    w.u8(expectation.count);
    w.u8(expectation.flags);
    w.u8(expectation.class);
    w.u32(expectation.timeout_s);
    w.u8(expectation.protocol);
    put_address(w, master, &tuple.dst);
    w.u16(tuple.dst_port);
    if (tuple.src, expectation.source_mask) != Default::default() {
        attribute(w, kind::SOURCE, |w| {
            put_address(w, master, &tuple.src);
            put_address(w, master, &expectation.source_mask);
        });
    }
    if (tuple.src_port, expectation.source_port_mask) != (0, 0) {
        attribute(w, kind::SOURCE_PORT, |w| {
            w.u16(tuple.src_port);
            w.u16(expectation.source_port_mask);
        });
    }
    let nat = (
        expectation.direction,
        expectation.nat_address,
        expectation.nat_port,
    );
    if nat != Default::default() {
        attribute(w, kind::NAT, |w| {
            w.u8(expectation.direction);
            put_address(w, master, &expectation.nat_address);
            w.u16(expectation.nat_port);
        });
    }
    if expectation.function.first() != Some(&0) {
        attribute(w, kind::FUNCTION, |w| put_name(w, &expectation.function));
    }
    if expectation.helper.first() != Some(&0) {
        attribute(w, kind::HELPER, |w| put_name(w, &expectation.helper));
    }
}

/// Reads an expectation and whose it is, and counts attributes that are not known.
pub(super) fn take_expectation(
    r: &mut Reader<'_>,
    unknown: &mut u32,
) -> Option<(Key, Expectation)> {
    let master = take_key(r)?;
    let mut expectation = Expectation {
        index: r.u8()?,
        count: r.u8().filter(|&count| count <= EXPECTATIONS_MAX)?,
        flags: r.u8().filter(|&flags| flags & !FLAGS == 0)?,
        class: r.u8().filter(|&class| class < CLASSES)?,
        timeout_s: r.u32()?,
        protocol: r.u8().filter(|&protocol| protocol != 0)?,
        ..Expectation::default()
    };
    expectation.tuple.dst = take_address(r, master.family)?;
    expectation.tuple.dst_port = r.u16()?;
    while !r.is_empty() {
        let (kind, mut body) = take_attribute(r)?;
        let known = take_detail(kind, &mut body, master.family, &mut expectation)?;
        *unknown += u32::from(!known);
    }
    (expectation.index < expectation.count).then_some((master, expectation))
}

/// Reads an attribute. Returns false if its type is not known, `None` if it is malformed.
fn take_detail(
    kind: u8,
    r: &mut Reader<'_>,
    family: u8,
    expectation: &mut Expectation,
) -> Option<bool> {
    match kind {
        kind::SOURCE => {
            expectation.tuple.src = take_address(r, family)?;
            expectation.source_mask = take_address(r, family)?;
        }
        kind::SOURCE_PORT => {
            expectation.tuple.src_port = r.u16()?;
            expectation.source_port_mask = r.u16()?;
        }
        kind::NAT => {
            expectation.direction = r.u8().filter(|&direction| direction <= 1)?;
            expectation.nat_address = take_address(r, family)?;
            expectation.nat_port = r.u16()?;
        }
        kind::FUNCTION => expectation.function = take_some_name(r)?,
        kind::HELPER => expectation.helper = take_some_name(r)?,
        _ => return Some(false),
    }
    Some(true)
}
