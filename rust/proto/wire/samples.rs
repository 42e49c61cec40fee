// SPDX-License-Identifier: GPL-2.0

//! What the tests of the records share: connections, their bytes, and how they are written and read.

#![cfg(test)]

use super::bytes::Writer;
use super::record::{Record, Records};
use super::write::RECORD_MAX;
use crate::proto::entry::Entry;
use crate::proto::expectation::Expectation;
use crate::proto::extras::{Extras, POLICY_MAX, SECCTX_MAX};
use crate::proto::inverse::inverse;
use crate::proto::key::{Endpoints, Key, FAMILY_V4, FAMILY_V6, ZONE_DIR_BOTH};
use crate::proto::relations::{Relations, SeqAdj, EXPECTATIONS_MAX};

/// The bytes of the one record that `write` writes.
pub(super) fn bytes(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut place = [0; RECORD_MAX];
    let mut w = Writer::new(&mut place);
    write(&mut w);
    let len = w.finish().unwrap();
    place[..len].to_vec()
}

/// Decodes the one record in `bytes`.
pub(super) fn decoded(bytes: &[u8]) -> Option<Record> {
    let mut records = Records::new(bytes, 1).unwrap();
    Record::decode(records.next().unwrap(), &mut 0)
}

/// An IPv4 address.
pub(super) fn v4(a: u8, b: u8, c: u8, d: u8) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// 10.0.0.2:40000 to 198.51.100.7:443, TCP, established, no NAT.
pub(super) fn plain() -> Entry {
    let key = Key {
        original: Endpoints {
            src: v4(10, 0, 0, 2),
            dst: v4(198, 51, 100, 7),
            src_port: 40000,
            dst_port: 443,
        },
        zone: 0,
        zone_dir: ZONE_DIR_BOTH,
        family: FAMILY_V4,
        protocol: 6,
        ..Key::default()
    };
    Entry {
        key,
        reply: inverse(&key),
        status: Entry::SEEN_REPLY | Entry::ASSURED,
        state: 3,
        tcp_scale: [7, 9],
        tcp_flags: [0x23, 0x03],
        has: Entry::HAS_TCP,
        ..Entry::default()
    }
}

/// The same, translated in both directions: by 192.0.2.1:1024 to 10.9.9.9:8443.
pub(super) fn translated() -> Entry {
    let mut entry = plain();
    entry.reply.src = v4(10, 9, 9, 9);
    entry.reply.src_port = 8443;
    entry.reply.dst = v4(192, 0, 2, 1);
    entry.reply.dst_port = 1024;
    entry.status |= Entry::SRC_NAT | Entry::DST_NAT;
    entry
}

/// A name of `N` letters with a NUL behind.
fn name<const N: usize>() -> [u8; N] {
    let mut name = [b'n'; N];
    name[N - 1] = 0;
    name
}

/// All that there can be.
fn relations() -> Relations {
    let seqadj = |position| SeqAdj {
        position,
        before: -1,
        after: 7,
    };
    Relations {
        seqadj: [seqadj(1), seqadj(2)],
        master: translated().reply,
        helper: name(),
        master_helper: name(),
        master_protocol: 6,
        expectations: EXPECTATIONS_MAX,
        ..Relations::default()
    }
}

/// The largest expectation that there is.
pub(super) fn expectation() -> Expectation {
    let reply = translated().reply;
    Expectation {
        tuple: reply,
        source_mask: v4(255, 255, 255, 0),
        source_port_mask: 0xffff,
        nat_port: 40000,
        nat_address: v4(10, 0, 0, 2),
        timeout_s: 300,
        function: name(),
        helper: name(),
        protocol: 17,
        flags: 1,
        class: 3,
        direction: 1,
        index: 4,
        count: 5,
    }
}

/// The largest entry that there is.
pub(super) fn largest() -> Entry {
    let mut entry = translated();
    entry.key.family = FAMILY_V6;
    entry.key.zone = 9;
    entry.reply.src = [1; 16];
    entry.reply.dst = [2; 16];
    entry.mark = u32::MAX;
    entry.status |= Entry::FIXED_TIMEOUT;
    entry.timeout_s = 432_000;
    entry.has |= Entry::HAS_TCP_WINDOW;
    entry.tcp_window[1].max_ack = 0xdead_beef;
    entry.relations = relations();
    entry.extras = Extras {
        started_ns: 1,
        labels: [1, 1 << 63],
        secctx: [b's'; SECCTX_MAX],
        secctx_length: SECCTX_MAX as u8,
        policy_length: POLICY_MAX as u8,
        has: Extras::HAS_SYNPROXY
            | Extras::HAS_COUNTERS
            | Extras::MASQUERADED
            | Extras::OF_INTERFACE,
        ..Extras::NONE
    };
    entry
}

/// The client of an FTP connection waits for the server at port 1024 of the outer address.
pub(super) fn of_ftp() -> (Entry, Expectation) {
    let mut entry = plain();
    entry.key.original.dst_port = 21;
    entry.reply.src_port = 21;
    entry.relations.helper[..3].copy_from_slice(b"ftp");
    entry.relations.expectations = 1;
    entry.relations.seqadj[0] = SeqAdj {
        position: 0x0102_0304,
        before: 0,
        after: -2,
    };
    let mut expectation = Expectation {
        source_mask: v4(255, 255, 255, 255),
        nat_port: 40001,
        timeout_s: 300,
        protocol: 6,
        direction: 1,
        count: 1,
        ..Expectation::default()
    };
    expectation.tuple.src = entry.key.original.dst;
    expectation.tuple.dst = v4(192, 0, 2, 1);
    expectation.tuple.dst_port = 1024;
    expectation.function[..17].copy_from_slice(b"nat-follow-master");
    (entry, expectation)
}

/// An upsert of [`plain`], which has no NAT: an update says the same.
pub(super) const UPDATE: [u8; 24] = [
    23, 1, // length, UPSERT
    0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
    0x00, 0x06, // status: SEEN_REPLY, ASSURED
    2, 4, 3, 0x79, 0x23, 0x03, // TCP: ESTABLISHED, scales 7 and 9, flags
];

/// An upsert of [`translated`].
pub(super) const INSERT: [u8; 39] = [
    38, 1, // length, UPSERT
    0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
    0x00, 0x36, // status: SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT
    1, 13, 0x0f, 10, 9, 9, 9, 192, 0, 2, 1, 0x20, 0xfb, 0x04, 0x00, // REPLY
    2, 4, 3, 0x79, 0x23, 0x03, // TCP
];

/// An update of it.
pub(super) const CHANGE: [u8; 24] = [
    23, 8, // length, UPDATE
    0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
    0x00, 0x36, // status: SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT
    2, 4, 3, 0x79, 0x23, 0x03, // TCP
];

/// A delete of either.
pub(super) const DELETE: [u8; 16] = [
    15, 2, // length, DELETE
    0, 6, 10, 0, 0, 2, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb, // key
];
