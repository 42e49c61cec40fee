// SPDX-License-Identifier: GPL-2.0

//! Records about connections that are expected (§4.7).

use super::attribute;
use super::bytes::{Reader, Writer};
use super::key::{put_address, put_key, take_address, take_key, KEY_MAX};
use super::name::{put_name, take_some_name};
use crate::proto::expectation::{Expectation, FUNCTION_NAME_MAX};
use crate::proto::key::Key;
use crate::proto::relations::{EXPECTATIONS_MAX, HELPER_NAME_MAX};

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
        attribute::put(w, kind::SOURCE, |w| {
            put_address(w, master, &tuple.src);
            put_address(w, master, &expectation.source_mask);
        });
    }
    if (tuple.src_port, expectation.source_port_mask) != (0, 0) {
        attribute::put(w, kind::SOURCE_PORT, |w| {
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
        attribute::put(w, kind::NAT, |w| {
            w.u8(expectation.direction);
            put_address(w, master, &expectation.nat_address);
            w.u16(expectation.nat_port);
        });
    }
    if expectation.function.first() != Some(&0) {
        attribute::put(w, kind::FUNCTION, |w| put_name(w, &expectation.function));
    }
    if expectation.helper.first() != Some(&0) {
        attribute::put(w, kind::HELPER, |w| put_name(w, &expectation.helper));
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
        let (kind, mut body) = attribute::take(r)?;
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

#[cfg(test)]
mod tests {
    use super::super::samples::{bytes, decoded, of_ftp};
    use super::super::write::put_expectation;
    use crate::proto::relations::EXPECTATIONS_MAX;

    #[test]
    fn values_out_of_range_are_malformed() {
        let (entry, expectation) = of_ftp();
        let written = bytes(|w| put_expectation(w, &entry.key, &expectation));
        let with = |at: usize, value: u8| {
            let mut record = written.clone();
            record[at] = value;
            decoded(&record).is_some()
        };
        assert!(!with(16, 1), "index behind the end");
        assert!(with(17, EXPECTATIONS_MAX));
        assert!(!with(17, EXPECTATIONS_MAX + 1), "too many");
        assert!(with(18, 3), "all flags");
        assert!(!with(18, 4), "unknown flag");
        assert!(with(19, 3), "last class");
        assert!(!with(19, 4), "no class");
        assert!(!with(24, 0), "no protocol");
        assert!(!with(43, 2), "no direction");
        assert!(!with(32, 7), "mask cut short");
    }
}
