// SPDX-License-Identifier: GPL-2.0

//! The attributes of a connection: what not every one has (§4.4). Each is a file of its own, with
//! its type, its longest form, how it is written and how it is read; this one lists them.

mod counters;
mod expected;
mod helper;
mod labels;
mod mark;
mod masquerade;
mod master;
mod reply;
mod sctp;
mod secmark;
mod seqadj;
mod synproxy;
mod tcp;
mod tcp_window;
mod timeout;
mod timeout_policy;
mod timestamp;

use super::attribute;
use super::bytes::{Reader, Writer};
use crate::proto::entry::Entry;
use crate::proto::extras::Extras;
use crate::proto::relations::Relations;

/// Most bytes that the attributes of one entry take without relations and extras: those of a TCP
/// connection with windows, NAT of everything over IPv6, a mark and a fixed timeout.
pub(super) const ATTRIBUTES_COMMON: usize =
    reply::MAX + tcp::MAX + tcp_window::MAX + mark::MAX + timeout::MAX;
/// Most bytes that the relations of one entry take.
const RELATIONS_MAX: usize = helper::MAX + master::MAX + seqadj::MAX + expected::MAX;
/// Most bytes that the extras of one entry take.
const EXTRAS_MAX: usize = labels::MAX
    + secmark::MAX
    + synproxy::MAX
    + timestamp::MAX
    + counters::MAX
    + timeout_policy::MAX;
/// Most bytes that the attributes of one entry take.
pub(super) const ATTRIBUTES_MAX: usize =
    ATTRIBUTES_COMMON + masquerade::MAX + RELATIONS_MAX + EXTRAS_MAX;

/// Bytes in which the attributes of this entry fit.
pub(super) fn attributes_max(entry: &Entry) -> usize {
    let relations = if entry.relations == Relations::default() {
        0
    } else {
        RELATIONS_MAX
    };
    ATTRIBUTES_COMMON + masquerade::max(&entry.extras) + relations + extras_max(&entry.extras)
}

/// Bytes in which these extras fit.
fn extras_max(extras: &Extras) -> usize {
    labels::max(extras)
        + secmark::max(extras)
        + synproxy::max(extras)
        + timestamp::max(extras)
        + counters::max(extras)
        + timeout_policy::max(extras)
}

/// Writes the attributes of an entry.
pub(super) fn put_attributes(w: &mut Writer<'_>, entry: &Entry) {
    reply::put(w, entry);
    masquerade::put(w, &entry.extras);
    put_variable(w, entry);
}

/// Whether an entry has attributes that never change while the connection lives.
pub(super) fn has_constant(entry: &Entry) -> bool {
    reply::is_told(entry) || masquerade::is_told(&entry.extras)
}

/// Writes the attributes that may change.
pub(super) fn put_variable(w: &mut Writer<'_>, entry: &Entry) {
    tcp::put(w, entry);
    tcp_window::put(w, entry);
    sctp::put(w, entry);
    mark::put(w, entry);
    timeout::put(w, entry);
    helper::put(w, &entry.relations);
    master::put(w, entry);
    seqadj::put(w, &entry.relations.seqadj);
    expected::put(w, &entry.relations);
    put_extras(w, &entry.extras);
}

/// Writes what there is in extensions.
fn put_extras(w: &mut Writer<'_>, extras: &Extras) {
    labels::put(w, extras);
    secmark::put(w, extras);
    synproxy::put(w, extras);
    timestamp::put(w, extras);
    counters::put(w, extras);
    timeout_policy::put(w, extras);
}

/// Reads the attributes of `entry`, and counts those that are not known.
///
/// Returns `None` if one is malformed, or one that has to be there is not.
pub(super) fn take_attributes(
    r: &mut Reader<'_>,
    entry: &mut Entry,
    unknown: &mut u32,
) -> Option<()> {
    let mut timeout_s = None;
    while !r.is_empty() {
        let (kind, mut body) = attribute::take(r)?;
        if kind == timeout::KIND {
            timeout_s = Some(timeout::take(&mut body)?);
        } else {
            *unknown += u32::from(!take_attribute(kind, &mut body, entry)?);
        }
    }
    timeout::apply(timeout_s, entry)?;
    (!tcp_window::is_alone(entry)).then_some(())
}

/// Reads one attribute. Returns whether it is known, and `None` if it is malformed.
fn take_attribute(kind: u8, r: &mut Reader<'_>, entry: &mut Entry) -> Option<bool> {
    match kind {
        reply::KIND => reply::take(r, entry)?,
        tcp::KIND => tcp::take(r, entry)?,
        tcp_window::KIND => tcp_window::take(r, entry)?,
        sctp::KIND => sctp::take(r, entry)?,
        mark::KIND => mark::take(r, entry)?,
        helper::KIND => helper::take(r, &mut entry.relations)?,
        master::KIND => master::take(r, entry)?,
        seqadj::KIND => seqadj::take(r, &mut entry.relations.seqadj)?,
        expected::KIND => expected::take(r, &mut entry.relations)?,
        _ => return take_extra(kind, r, &mut entry.extras),
    }
    Some(true)
}

/// The same of what is in extensions.
///
/// One that has more than this version has room for counts as not known.
fn take_extra(kind: u8, r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
    match kind {
        labels::KIND => return Some(labels::take(r, extras)),
        secmark::KIND => return secmark::take(r, extras),
        timeout_policy::KIND => return timeout_policy::take(r, extras),
        synproxy::KIND => synproxy::take(r, extras)?,
        timestamp::KIND => timestamp::take(r, extras)?,
        counters::KIND => counters::take(r, extras)?,
        masquerade::KIND => masquerade::take(r, extras)?,
        _ => return Some(false),
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::extras::{POLICY_MAX, SECCTX_MAX};
    use crate::proto::relations::EXPECTATIONS_MAX;
    use crate::proto::wire::record::Record;
    use crate::proto::wire::samples::UPDATE;

    /// Extras with everything at its longest.
    fn all() -> Extras {
        Extras {
            started_ns: 0x0102_0304_0506_0708,
            packets: [1, 2],
            bytes: [3, u64::MAX],
            labels: [1 << 3, 1 << 63],
            synproxy: [0xa0, 0xb0, 0xc0],
            policy_s: core::array::from_fn(|i| i as u32),
            secctx: [b'x'; SECCTX_MAX],
            secctx_length: SECCTX_MAX as u8,
            policy_length: POLICY_MAX as u8,
            has: Extras::HAS_SYNPROXY | Extras::HAS_COUNTERS,
        }
    }

    /// The attributes of `extras`.
    fn bytes(extras: &Extras) -> Vec<u8> {
        let mut place = [0; EXTRAS_MAX];
        let mut w = Writer::new(&mut place);
        put_extras(&mut w, extras);
        let length = w.finish().expect("no more than EXTRAS_MAX");
        assert!(length <= extras_max(extras));
        place[..length].to_vec()
    }

    /// What these attributes say; `None` if one is malformed. Also how many were not known.
    fn taken(mut bytes: &[u8]) -> Option<(Extras, u32)> {
        let (mut extras, mut unknown) = (Extras::NONE, 0);
        while let [kind, length, rest @ ..] = bytes {
            let (body, rest) = rest.split_at(usize::from(*length));
            unknown += u32::from(!take_extra(*kind, &mut Reader(body), &mut extras)?);
            bytes = rest;
        }
        Some((extras, unknown))
    }

    /// Extras with one thing changed.
    fn with(change: impl FnOnce(&mut Extras)) -> Extras {
        let mut extras = Extras::NONE;
        change(&mut extras);
        extras
    }

    #[test]
    fn literal_bytes_of_extras() {
        let cases: [(Extras, &[u8]); 7] = [
            (Extras::NONE, &[]),
            (with(|e| e.labels = [1 << 10, 0]), &[11, 2, 0, 4]),
            (
                with(|e| {
                    e.secctx[..3].copy_from_slice(b"a:b");
                    e.secctx_length = 3;
                }),
                &[12, 3, b'a', b':', b'b'],
            ),
            (
                with(|e| {
                    e.synproxy = [1, 2, 0x0300_0000];
                    e.has = Extras::HAS_SYNPROXY;
                }),
                &[13, 12, 0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 0],
            ),
            (
                with(|e| e.started_ns = 258),
                &[14, 8, 0, 0, 0, 0, 0, 0, 1, 2],
            ),
            (
                with(|e| {
                    (e.packets, e.bytes) = ([1, 3], [2, 4]);
                    e.has = Extras::HAS_COUNTERS;
                }),
                &[
                    15, 32, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3,
                    0, 0, 0, 0, 0, 0, 0, 4,
                ],
            ),
            (
                with(|e| {
                    e.policy_s[..2].copy_from_slice(&[30, 300]);
                    e.policy_length = 2;
                }),
                &[16, 8, 0, 0, 0, 30, 0, 0, 1, 44],
            ),
        ];
        for (extras, expected) in cases {
            assert_eq!(bytes(&extras), expected);
            assert_eq!(taken(expected), Some((extras, 0)));
        }
    }

    #[test]
    fn literal_bytes_of_masquerade() {
        for (has, expected) in [
            (0, &[][..]),
            (Extras::MASQUERADED, &[19, 1, 0]),
            (Extras::MASQUERADED | Extras::OF_INTERFACE, &[19, 1, 1]),
        ] {
            let extras = with(|e| e.has = has);
            let mut place = [0; masquerade::MAX];
            let mut w = Writer::new(&mut place);
            masquerade::put(&mut w, &extras);
            let length = w.finish().expect("no more than MAX");
            assert_eq!(length, masquerade::max(&extras));
            assert_eq!(place[..length], *expected);
            assert_eq!(taken(expected), Some((extras, 0)));
        }
        assert_eq!(taken(&[19, 0]), None, "no flags");
        let later = with(|e| e.has = Extras::MASQUERADED);
        assert_eq!(taken(&[19, 1, 0xfe]), Some((later, 0)), "flags to come");
    }

    #[test]
    fn all_extras_come_back() {
        assert_eq!(taken(&bytes(&all())), Some((all(), 0)));
        assert_eq!(bytes(&all()).len(), EXTRAS_MAX, "no more than is needed");
        for label in 0..128 {
            let labels = 1u128 << label;
            let extras = with(|e| e.labels = [labels as u64, (labels >> 64) as u64]);
            let written = bytes(&extras);
            assert_eq!(written.len(), 3 + label / 8, "as far as there are labels");
            assert_eq!(taken(&written), Some((extras, 0)));
        }
    }

    #[test]
    fn what_is_longer_than_is_known_is_skipped() {
        let long = |kind: u8, length: u8| {
            let mut attribute = vec![kind, length];
            attribute.resize(2 + usize::from(length), 1);
            taken(&attribute)
        };
        for (kind, fits, longer) in [(11, 16, 17), (12, 64, 65), (16, 56, 60)] {
            assert!(matches!(long(kind, fits), Some((_, 0))), "{kind}");
            assert_eq!(long(kind, longer), Some((Extras::NONE, 1)), "{kind}");
        }
        assert_eq!(long(99, 3), Some((Extras::NONE, 1)));
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        for (kind, length) in [(12, 0), (13, 11), (14, 7), (15, 31), (16, 0), (16, 6)] {
            let attribute = [vec![kind, length], vec![1; usize::from(length)]].concat();
            assert_eq!(taken(&attribute), None, "{kind} of {length}");
        }
        assert_eq!(taken(&[12, 2, b'a', 0]), None, "a NUL in a context");
    }

    #[test]
    fn counters_can_be_left_out() {
        let mut extras = all();
        extras.forget_counters();
        assert_eq!(bytes(&extras).len(), EXTRAS_MAX - counters::MAX);
        assert_eq!(taken(&bytes(&extras)), Some((extras, 0)));
    }

    #[test]
    fn relations_out_of_range_are_malformed() {
        let upsert = |attribute: &[u8]| {
            let record = [&UPDATE[1..], attribute].concat();
            Record::decode(&record, &mut 0).is_some()
        };
        assert!(upsert(b"\x07\x0fabcdefghijklmno"), "longest name");
        assert!(!upsert(b"\x07\x10abcdefghijklmnop"), "name too long");
        assert!(!upsert(&[7, 0]), "no name");
        assert!(!upsert(b"\x07\x02a/"), "no letter of a name");
        assert!(!upsert(&[7, 2, b'a', 0]), "NUL in a name");
        let master = |protocol| {
            let mut attribute = [8; 15];
            (attribute[1], attribute[2]) = (13, protocol);
            upsert(&attribute)
        };
        assert!(master(6));
        assert!(!master(0), "no protocol");
        assert!(upsert(&[9, 1, 0]), "nothing changed");
        assert!(!upsert(&[9, 1, 1]), "cut short");
        assert!(upsert(&[10, 1, EXPECTATIONS_MAX]));
        assert!(!upsert(&[10, 1, EXPECTATIONS_MAX + 1]), "too many");
    }
}
