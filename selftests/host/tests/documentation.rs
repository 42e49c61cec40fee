// SPDX-License-Identifier: GPL-2.0

//! The examples of the specification are what the code sends.

#![cfg(not(loom))]

mod common;

use common::{config, Host};
use ct_sync_host::proto::entry::{FAMILY_V4, ZONE_DIR_BOTH};
use ct_sync_host::proto::frame::FRAME_MIN;
use ct_sync_host::proto::gaps::GAPS_MAX;
use ct_sync_host::proto::relations::EXPECTATIONS_MAX;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::wire::control::{HEARD_MAX, NACK_RANGES_MAX};
use ct_sync_host::proto::wire::header::HEADER_LEN;
use ct_sync_host::proto::wire::write::RECORD_MAX;
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

/// The specification.
const TEXT: &str = include_str!("../../../Documentation/protocol.rst");

/// The bytes of the example that is called `name`: the hexadecimal pairs of the indented lines
/// behind its label, up to a `;` in each.
fn example(name: &str) -> Vec<u8> {
    let label = format!(".. example: {name}");
    let (_, rest) = TEXT.split_once(&label).expect("the example is there");
    let block = rest.lines().skip_while(|line| !line.starts_with("   "));
    let lines = block.take_while(|line| line.starts_with("   "));
    let bytes = lines.flat_map(|line| line.split(';').next().unwrap().split_whitespace());
    bytes
        .map(|pair| u8::from_str_radix(pair, 16).expect(pair))
        .collect()
}

/// 10.0.0.2:40000 to 198.51.100.7:443, as backup sees it translated to 192.0.2.1:1024.
fn connection() -> Entry {
    let mut entry = Entry {
        status: Entry::SEEN_REPLY | Entry::ASSURED | Entry::SRC_NAT,
        state: 3,
        tcp_scale: [7, 9],
        tcp_flags: [0x23, 0x03],
        has: Entry::HAS_TCP,
        ..Entry::default()
    };
    entry.key = Key {
        zone_dir: ZONE_DIR_BOTH,
        family: FAMILY_V4,
        protocol: 6,
        ..Key::default()
    };
    entry.key.original.src[..4].copy_from_slice(&[10, 0, 0, 2]);
    entry.key.original.dst[..4].copy_from_slice(&[198, 51, 100, 7]);
    (entry.key.original.src_port, entry.key.original.dst_port) = (40000, 443);
    entry.reply.src = entry.key.original.dst;
    entry.reply.dst[..4].copy_from_slice(&[192, 0, 2, 1]);
    (entry.reply.src_port, entry.reply.dst_port) = (443, 1024);
    entry
}

const NOW: Time = Time(NS_PER_S);

/// A primary that has sent its first heartbeat and its first walk, of nothing.
fn primary() -> (Host, Vec<Vec<u8>>) {
    let mut host = Host::new(config(1));
    host.node.set_table_size(3, 262_144);
    host.node.promote(NOW, &host.stats);
    let mut frames = host.send(NOW);
    frames.extend(host.send(NOW.after(NS_PER_S / 100)));
    (host, frames)
}

#[test]
fn the_heartbeat() {
    assert_eq!(primary().1[0], example("heartbeat"));
}

#[test]
fn the_empty_resync() {
    assert_eq!(primary().1[1], example("resync"));
}

#[test]
fn the_live_records() {
    let (mut host, _) = primary();
    let entry = connection();
    host.set(entry, NOW);
    let mut other = entry.key;
    other.original.src_port = 40001;
    host.end(other, NOW);
    let frames = host.send(NOW.after(NS_PER_S / 2));
    assert_eq!(frames, [example("data")]);
}

/// The client of an FTP connection waits for the server.
#[test]
fn the_expectation() {
    let (mut host, _) = primary();
    let mut master = connection().key;
    master.original.dst_port = 21;
    let mut expectation = Expectation {
        nat_port: 40001,
        timeout_s: 300,
        protocol: 6,
        direction: 1,
        count: 1,
        ..Expectation::default()
    };
    expectation.tuple.src = master.original.dst;
    expectation.source_mask[..4].fill(255);
    expectation.tuple.dst[..4].copy_from_slice(&[192, 0, 2, 1]);
    expectation.tuple.dst_port = 1024;
    expectation.function[..17].copy_from_slice(b"nat-follow-master");
    let stats = &host.stats;
    host.node
        .handle_expectation(&master, &expectation, NOW.after(NS_PER_S / 10), stats);
    let frames = host.send(NOW.after(NS_PER_S / 2));
    let record = frames.iter().find(|frame| frame[5] == 1).unwrap();
    assert_eq!(record[HEADER_LEN..], example("expectation"));
}

#[test]
fn the_update() {
    let (mut host, _) = primary();
    host.set(connection(), NOW);
    host.send(NOW.after(200 * NS_PER_MS));
    let closing = Entry {
        state: 4,
        ..connection()
    };
    host.change(closing, NOW.after(201 * NS_PER_MS));
    let frames = host.send(NOW.after(202 * NS_PER_MS));
    assert_eq!(frames, [example("update")]);
}

/// Everything that there can be in extensions; of a SYN proxy although it is UDP.
#[test]
fn the_extensions() {
    let (mut host, _) = primary();
    let mut entry = Entry {
        status: Entry::SEEN_REPLY,
        ..Entry::default()
    };
    entry.key = connection().key;
    entry.key.protocol = 17;
    entry.key.original.dst_port = 53;
    entry.reply.src = entry.key.original.dst;
    entry.reply.dst = entry.key.original.src;
    (entry.reply.src_port, entry.reply.dst_port) = (53, 40000);
    entry.extras = Extras {
        started_ns: 1_763_735_000 * NS_PER_S,
        packets: [3, 2],
        bytes: [180, 120],
        labels: [1 << 10, 0],
        synproxy: [0x0102_0304, 0x0506_0708, 0xffff_fffe],
        secctx_length: 10,
        policy_length: 2,
        has: Extras::HAS_SYNPROXY | Extras::HAS_COUNTERS,
        ..Extras::NONE
    };
    entry.extras.secctx[..10].copy_from_slice(b"unconfined");
    entry.extras.policy_s[..2].copy_from_slice(&[30, 300]);
    host.set(entry, NOW);
    let frames = host.send(NOW.after(NS_PER_S / 2));
    let record = frames.iter().find(|frame| frame[5] == 1).unwrap();
    assert_eq!(record[HEADER_LEN..], example("extensions"));
}

#[test]
fn the_request() {
    let mut host = Host::new(config(2));
    host.receive(&primary().1[..1], NOW);
    let frames = host.send(NOW);
    assert_eq!(frames[1], example("request"));
}

/// A backup that has taken frame 1 but not frame 2, in which a connection ended, and has seen 3.
fn gap() -> (Host, Host) {
    let (mut primary, frames) = primary();
    let mut backup = Host::new(config(2));
    backup.receive(&frames, NOW);
    backup.send(NOW);
    for later in [200, 202] {
        let at = NOW.after(later * NS_PER_MS);
        primary.end(connection().key, at);
        let frames = primary.send(at.after(NS_PER_MS));
        let data = frames.iter().filter(|frame| frame[5] == 1);
        backup.receive(data.filter(|frame| frame[39] == 3), at);
    }
    (primary, backup)
}

#[test]
fn the_nack_and_the_repair() {
    let (mut primary, mut backup) = gap();
    let at = NOW.after(220 * NS_PER_MS);
    let nack = backup.send(at);
    assert_eq!(nack, [example("nack")]);
    primary.receive(&nack, at);
    primary.send(at);
    let frames = primary.send(at.after(2 * NS_PER_MS));
    assert_eq!(frames, [example("repair")]);
}

#[test]
fn the_limits() {
    let text = TEXT.split_whitespace().collect::<Vec<_>>().join(" ");
    for limit in [
        format!("No record is longer than {RECORD_MAX} bytes"),
        format!("at least {FRAME_MIN} bytes of UDP payload"),
        format!("A node keeps {PEERS_MAX} peers apart"),
        format!("that follow, 0 to {EXPECTATIONS_MAX};"),
        format!("up to {HEARD_MAX} nodes"),
        format!("{WALK_BATCH} entries"),
        format!("up to {NACK_RANGES_MAX} ranges"),
        format!("as ranges, {GAPS_MAX} at most"),
    ] {
        assert!(text.contains(&limit), "{limit}");
    }
}

#[test]
fn every_counter_of_a_refusal_is_explained() {
    for counter in Counter::ALL {
        let name = counter.name();
        let refusal = counter.meaning().starts_with("refused") && name.starts_with("frames_");
        let documented = TEXT.contains(&format!("``{name}``"));
        assert!(!refusal || documented, "{name}");
    }
}
