// SPDX-License-Identifier: GPL-2.0

//! Keys on the wire: the addresses of an original tuple, its protocol and its zone (§4.2).

use super::bytes::{Reader, Writer};
use crate::proto::key::{Endpoints, Key, FAMILY_V4, FAMILY_V6, ZONE_DIR_BOTH};

/// Longest key in bytes: IPv6 with a zone.
pub(super) const KEY_MAX: usize = 1 + 3 + 1 + 2 * 16 + 2 * 2;

/// Key flag: the addresses are IPv6.
const KEY_V6: u8 = 1;
/// Key flag: zone and its directions follow.
const KEY_ZONE: u8 = 2;

/// `bit` if `on`.
pub(super) fn flag(on: bool, bit: u8) -> u8 {
    if on {
        bit
    } else {
        0
    }
}

/// Writes an address in the bytes that its family needs.
pub(super) fn put_address(w: &mut Writer<'_>, key: &Key, address: &[u8; 16]) {
    let [a, b, c, d, ..] = *address;
    if key.family == FAMILY_V4 {
        w.put(&[a, b, c, d]);
    } else {
        w.put(address);
    }
}

/// Writes a key.
pub(super) fn put_key(w: &mut Writer<'_>, key: &Key) {
    let zone = key.zone != 0 || key.zone_dir != ZONE_DIR_BOTH;
    let v6 = key.family != FAMILY_V4;
    w.u8(flag(v6, KEY_V6) | flag(zone, KEY_ZONE));
    if zone {
        w.u16(key.zone);
        w.u8(key.zone_dir);
    }
    w.u8(key.protocol);
    put_address(w, key, &key.original.src);
    put_address(w, key, &key.original.dst);
    w.u16(key.original.src_port);
    w.u16(key.original.dst_port);
}

/// Reads an address of the key's family.
pub(super) fn take_address(r: &mut Reader<'_>, family: u8) -> Option<[u8; 16]> {
    if family != FAMILY_V4 {
        return r.array();
    }
    let [a, b, c, d] = r.array()?;
    Some([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// Reads a key.
pub(super) fn take_key(r: &mut Reader<'_>) -> Option<Key> {
    let flags = r.u8()?;
    if flags & !(KEY_V6 | KEY_ZONE) != 0 {
        return None;
    }
    let family = if flags & KEY_V6 != 0 {
        FAMILY_V6
    } else {
        FAMILY_V4
    };
    let (zone, zone_dir) = match flags & KEY_ZONE {
        0 => (0, ZONE_DIR_BOTH),
        _ => (r.u16()?, r.u8()?),
    };
    let protocol = r.u8()?;
    if protocol == 0 || zone_dir == 0 || zone_dir > ZONE_DIR_BOTH {
        return None;
    }
    Some(Key {
        original: Endpoints {
            src: take_address(r, family)?,
            dst: take_address(r, family)?,
            src_port: r.u16()?,
            dst_port: r.u16()?,
        },
        zone,
        zone_dir,
        family,
        protocol,
        ..Key::default()
    })
}

/// Reads a key that this node has written, as bytes.
pub(super) fn take_key_bytes<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let flags = *r.0.first()?;
    let zone = if flags & KEY_ZONE != 0 { 3 } else { 0 };
    let addresses = if flags & KEY_V6 != 0 { 2 * 16 } else { 2 * 4 };
    r.slice(1 + zone + 1 + addresses + 2 * 2)
}
