// SPDX-License-Identifier: GPL-2.0

//! Attributes of what conntrack keeps in extensions, and of the security mark (§4.4).

use super::attribute::attribute;
use super::bytes::{Reader, Writer};
use super::entry::{Extras, POLICY_MAX, SECCTX_MAX};

/// Bytes of all labels.
const LABELS_BYTES: usize = 16;
/// Most bytes of each attribute, with its type and length.
const LABELS_MAX: usize = 2 + LABELS_BYTES;
const SECMARK_MAX: usize = 2 + SECCTX_MAX;
const SYNPROXY_MAX: usize = 2 + 3 * 4;
const TIMESTAMP_MAX: usize = 2 + 8;
const COUNTERS_MAX: usize = 2 + 4 * 8;
const TIMEOUT_POLICY_MAX: usize = 2 + POLICY_MAX * 4;

/// Most bytes that the extras of one entry take.
pub(super) const EXTRAS_MAX: usize =
    LABELS_MAX + SECMARK_MAX + SYNPROXY_MAX + TIMESTAMP_MAX + COUNTERS_MAX + TIMEOUT_POLICY_MAX;

/// Types of attributes.
mod kind {
    pub(super) const LABELS: u8 = 11;
    pub(super) const SECMARK: u8 = 12;
    pub(super) const SYNPROXY: u8 = 13;
    pub(super) const TIMESTAMP: u8 = 14;
    pub(super) const COUNTERS: u8 = 15;
    pub(super) const TIMEOUT_POLICY: u8 = 16;
}

/// Bytes in which these extras fit.
pub(super) fn extras_max(extras: &Extras) -> usize {
    let has = |what, max| if extras.has & what != 0 { max } else { 0 };
    let unless = |absent: bool, max| if absent { 0 } else { max };
    unless(extras.labels == [0; 2], LABELS_MAX)
        + unless(extras.secctx_length == 0, SECMARK_MAX)
        + has(Extras::HAS_SYNPROXY, SYNPROXY_MAX)
        + unless(extras.started_ns == 0, TIMESTAMP_MAX)
        + has(Extras::HAS_COUNTERS, COUNTERS_MAX)
        + unless(extras.policy_length == 0, TIMEOUT_POLICY_MAX)
}

/// Writes what there is.
pub(super) fn put_extras(w: &mut Writer<'_>, extras: &Extras) {
    if extras.labels != [0; 2] {
        attribute(w, kind::LABELS, |w| put_labels(w, extras.labels));
    }
    let secctx = extras.secctx.get(..usize::from(extras.secctx_length));
    if let Some(secctx @ [_, ..]) = secctx {
        attribute(w, kind::SECMARK, |w| w.put(secctx));
    }
    if extras.has & Extras::HAS_SYNPROXY != 0 {
        attribute(w, kind::SYNPROXY, |w| {
            extras.synproxy.iter().for_each(|&number| w.u32(number));
        });
    }
    if extras.started_ns != 0 {
        attribute(w, kind::TIMESTAMP, |w| w.u64(extras.started_ns));
    }
    if extras.has & Extras::HAS_COUNTERS != 0 {
        attribute(w, kind::COUNTERS, |w| {
            for (&packets, &bytes) in extras.packets.iter().zip(&extras.bytes) {
                w.u64(packets);
                w.u64(bytes);
            }
        });
    }
    let policy = extras.policy_s.get(..usize::from(extras.policy_length));
    if let Some(policy @ [_, ..]) = policy {
        attribute(w, kind::TIMEOUT_POLICY, |w| {
            policy.iter().for_each(|&timeout| w.u32(timeout));
        });
    }
}

/// Writes labels, up to the last byte in which one is set.
fn put_labels(w: &mut Writer<'_>, labels: [u64; 2]) {
    let [low, high] = labels;
    let bytes = ((u128::from(high) << 64) | u128::from(low)).to_le_bytes();
    let unset = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    w.put(bytes.get(..LABELS_BYTES - unset).unwrap_or_default());
}

/// Reads an attribute. Returns whether it is known, and `None` if it is malformed.
///
/// One that has more than this version has room for counts as not known.
pub(super) fn take_extra(kind: u8, r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
    match kind {
        kind::LABELS => return Some(take_labels(r, extras)),
        kind::SECMARK => return take_secmark(r, extras),
        kind::TIMEOUT_POLICY => return take_policy(r, extras),
        kind::SYNPROXY => {
            extras.synproxy = [r.u32()?, r.u32()?, r.u32()?];
            extras.has |= Extras::HAS_SYNPROXY;
        }
        kind::TIMESTAMP => extras.started_ns = r.u64()?,
        kind::COUNTERS => {
            for (packets, bytes) in extras.packets.iter_mut().zip(&mut extras.bytes) {
                (*packets, *bytes) = (r.u64()?, r.u64()?);
            }
            extras.has |= Extras::HAS_COUNTERS;
        }
        _ => return Some(false),
    }
    Some(true)
}

/// Reads labels; bytes that are not there are zero.
fn take_labels(r: &mut Reader<'_>, extras: &mut Extras) -> bool {
    let mut bytes = [0; LABELS_BYTES];
    let Some(place) = bytes.get_mut(..r.0.len()) else {
        return false;
    };
    place.copy_from_slice(r.0);
    let labels = u128::from_le_bytes(bytes);
    extras.labels = [labels as u64, (labels >> 64) as u64];
    true
}

/// Reads a security context.
fn take_secmark(r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
    if r.0.is_empty() || r.0.contains(&0) {
        return None;
    }
    let Some(place) = extras.secctx.get_mut(..r.0.len()) else {
        return Some(false);
    };
    place.copy_from_slice(r.0);
    extras.secctx_length = u8::try_from(r.0.len()).ok()?;
    Some(true)
}

/// Reads the timeouts of a policy.
fn take_policy(r: &mut Reader<'_>, extras: &mut Extras) -> Option<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            reserved: 0,
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
    fn literal_bytes() {
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
    fn everything_comes_back() {
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
        assert_eq!(bytes(&extras).len(), EXTRAS_MAX - COUNTERS_MAX);
        assert_eq!(taken(&bytes(&extras)), Some((extras, 0)));
    }
}
