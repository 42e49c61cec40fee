// SPDX-License-Identifier: GPL-2.0

//! Properties of the formats: what is sent comes back, and nothing that comes in can do harm.

#![cfg(not(loom))]

mod common;

use common::{config, Host};
use ct_sync_host::proto::entry::{FAMILY_V4, FAMILY_V6, POLICY_MAX, SECCTX_MAX};
use ct_sync_host::proto::relations::EXPECTATIONS_MAX;
use ct_sync_host::proto::time::NS_PER_S;
use ct_sync_host::proto::wire::header::{Header, Kind, HEADER_LEN};
use ct_sync_host::proto::wire::record::{Record, Records};
use ct_sync_host::proto::*;
use ct_sync_host::queue::{Consumer, Queue, Slot};
use ct_sync_host::stats::Counter;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

/// An address of the family, zero behind an IPv4 address.
fn address(v6: bool) -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>().prop_map(move |mut address| {
        if !v6 {
            address[4..].fill(0);
        }
        address
    })
}

fn endpoints(v6: bool) -> impl Strategy<Value = Endpoints> {
    (address(v6), address(v6), any::<u16>(), any::<u16>()).prop_map(
        |(src, dst, src_port, dst_port)| Endpoints {
            src,
            dst,
            src_port,
            dst_port,
        },
    )
}

fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(132), 1..=u8::MAX]
}

fn key(v6: bool) -> impl Strategy<Value = Key> {
    let zone = prop_oneof![Just((0, 3)), (any::<u16>(), 1..=3u8)];
    (endpoints(v6), zone, protocol()).prop_map(move |(original, (zone, zone_dir), protocol)| Key {
        original,
        zone,
        zone_dir,
        family: if v6 { FAMILY_V6 } else { FAMILY_V4 },
        protocol,
        ..Key::default()
    })
}

/// Puts into an entry what its protocol can have.
fn with_state(mut entry: Entry, state: u8, words: [u32; 8], windows: bool) -> Entry {
    match entry.key.protocol {
        6 => {
            entry.state = state;
            entry.tcp_flags = [words[0] as u8, words[1] as u8];
            entry.tcp_scale = [words[2] as u8 % 15, words[3] as u8 % 15];
            entry.has = Entry::HAS_TCP;
            if windows {
                entry.has |= Entry::HAS_TCP_WINDOW;
                entry.tcp_window[0].end = words[4];
                entry.tcp_window[0].max_window = words[5];
                entry.tcp_window[1].max_end = words[6];
                entry.tcp_window[1].max_ack = words[7];
            }
        }
        132 => {
            entry.state = state;
            entry.sctp_vtag = [words[0], words[1]];
            entry.has = Entry::HAS_SCTP;
        }
        _ => {}
    }
    entry
}

/// A name, which may be empty.
fn name<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(prop_oneof![b'a'..=b'z', Just(b'-'), Just(b'.')], 0..N).prop_map(|letters| {
        let mut name = [0; N];
        name[..letters.len()].copy_from_slice(&letters);
        name
    })
}

fn seqadj() -> impl Strategy<Value = SeqAdj> {
    any::<(u32, i32, i32)>().prop_map(|(position, before, after)| SeqAdj {
        position,
        before,
        after,
    })
}

fn relations(v6: bool) -> impl Strategy<Value = Relations> {
    let names = (name(), name());
    let seqadj = prop_oneof![Just([SeqAdj::default(); 2]), [seqadj(), seqadj()]];
    (
        names,
        seqadj,
        endpoints(v6),
        any::<u8>(),
        0..=EXPECTATIONS_MAX,
    )
        .prop_map(
            |((helper, master_helper), seqadj, master, master_protocol, expectations)| {
                let with_master = Relations {
                    master,
                    master_helper,
                    master_protocol,
                    ..Relations::default()
                };
                Relations {
                    seqadj,
                    helper,
                    expectations,
                    ..if master_protocol % 2 == 1 {
                        with_master
                    } else {
                        Relations::default()
                    }
                }
            },
        )
}

/// Any expectation, and whose it is.
fn expectation() -> impl Strategy<Value = (Key, Expectation)> {
    any::<bool>()
        .prop_flat_map(|v6| {
            let names = (name(), name());
            let addresses = (address(v6), address(v6));
            let numbers = any::<(u16, u16, u32, u8)>();
            let small = (0..4u8, 0..4u8, 0..2u8, 1..=EXPECTATIONS_MAX);
            (key(v6), endpoints(v6), names, addresses, numbers, small)
        })
        .prop_map(
            |(key, tuple, (function, helper), addresses, numbers, small)| {
                let (source_mask, nat_address) = addresses;
                let (source_port_mask, nat_port, timeout_s, protocol) = numbers;
                let (flags, class, direction, count) = small;
                let expectation = Expectation {
                    tuple,
                    source_mask,
                    source_port_mask,
                    nat_port,
                    nat_address,
                    timeout_s,
                    function,
                    helper,
                    protocol: protocol.max(1),
                    flags,
                    class,
                    direction,
                    index: protocol % count,
                    count,
                };
                (key, expectation)
            },
        )
}

/// Anything that an entry can have in extensions.
fn extras() -> impl Strategy<Value = Extras> {
    let numbers = (any::<u64>(), any::<[u64; 6]>(), any::<[u32; 3]>());
    let lists = (
        vec(1..=u8::MAX, 0..=SECCTX_MAX),
        vec(any::<u32>(), 0..=POLICY_MAX),
    );
    let some = (numbers, lists, 0..4u8).prop_map(|((started, words, synproxy), lists, has)| {
        let mut extras = Extras {
            started_ns: started,
            packets: [words[0], words[1]],
            bytes: [words[2], words[3]],
            labels: [words[4], words[5]],
            synproxy: if has & Extras::HAS_SYNPROXY != 0 {
                synproxy
            } else {
                [0; 3]
            },
            has,
            ..Extras::NONE
        };
        let (secctx, policy) = lists;
        extras.secctx[..secctx.len()].copy_from_slice(&secctx);
        extras.secctx_length = secctx.len() as u8;
        extras.policy_s[..policy.len()].copy_from_slice(&policy);
        extras.policy_length = policy.len() as u8;
        if has & Extras::HAS_COUNTERS == 0 {
            extras.forget_counters();
        }
        extras
    });
    prop_oneof![Just(Extras::NONE), some]
}

/// Any entry that can be replicated.
fn entry() -> impl Strategy<Value = Entry> {
    any::<bool>()
        .prop_flat_map(|v6| {
            let words = (any::<u32>(), any::<u32>(), any::<u32>(), any::<[u32; 8]>());
            let state = (0..10u8, any::<bool>());
            let more = (relations(v6), extras());
            (key(v6), endpoints(v6), words, state, more)
        })
        .prop_map(
            |(key, reply, (status, mark, timeout, words), (state, windows), more)| {
                let (relations, extras) = more;
                let status = status & Entry::STATUS_MASK;
                let fixed = status & Entry::FIXED_TIMEOUT != 0;
                let entry = Entry {
                    key,
                    reply,
                    status,
                    mark,
                    timeout_s: if fixed { timeout } else { 0 },
                    relations,
                    extras,
                    ..Entry::default()
                };
                with_state(entry, state, words, windows)
            },
        )
}

const NOW: Time = Time(NS_PER_S);

/// A primary and the data frames in which it tells of `entries` and the absence of `keys`.
fn frames(entries: &[Entry], keys: &[Key]) -> Vec<Vec<u8>> {
    let mut host = Host::new(config(1));
    host.node.promote(NOW, &host.stats);
    // The walk of the empty table, out of the way.
    host.send(NOW);
    host.send(NOW.after(NS_PER_S / 100));
    let mut frames = Vec::new();
    let truths = entries.iter().map(Truth::Present);
    for truth in truths.chain(keys.iter().map(Truth::Absent)) {
        while !host.node.has_room() {
            frames.extend(host.send(NOW));
        }
        host.node.handle_truth(truth, NOW, &host.stats);
    }
    frames.extend(host.send(NOW.after(NS_PER_S / 10)));
    let is_data = |frame: &Vec<u8>| Header::decode(frame).unwrap().0.kind == Kind::Data;
    frames.retain(is_data);
    frames
}

/// The records of a frame.
fn records(frame: &[u8]) -> Vec<Record> {
    let (header, payload) = Header::decode(frame).unwrap();
    Records::new(payload, header.count)
        .unwrap()
        .map(|body| Record::decode(body, &mut 0).unwrap())
        .collect()
}

/// The body of the first record of a frame.
fn first_body(frame: &[u8]) -> &[u8] {
    let (header, payload) = Header::decode(frame).unwrap();
    Records::new(payload, header.count).unwrap().next().unwrap()
}

/// Which byte is changed, inserted or removed.
type Mutation = (usize, u8, u8);

fn mutate(frame: &mut Vec<u8>, &(at, value, how): &Mutation) {
    let at = at % (frame.len() + 1);
    match how % 4 {
        0 => frame.truncate(at),
        1 => frame.insert(at, value),
        _ if at < frame.len() => frame[at] = value,
        _ => {}
    }
}

proptest! {
    #[test]
    fn what_is_sent_comes_back(
        entries in vec(entry(), 1..60),
        keys in vec(any::<bool>().prop_flat_map(key), 0..20),
    ) {
        let sent = frames(&entries, &keys);
        prop_assert!(sent.iter().all(|frame| frame.len() <= common::FRAME_MAX));
        let got: Vec<_> = sent.iter().flat_map(|frame| records(frame)).collect();
        let upserts = entries.iter().map(|&entry| Record::Upsert(entry));
        let all: Vec<_> = upserts.chain(keys.iter().map(|&key| Record::Delete(key))).collect();
        prop_assert_eq!(got, all);
    }

    #[test]
    fn what_is_expected_comes_back(expected in vec(expectation(), 1..30)) {
        let mut host = Host::new(config(1));
        host.node.promote(NOW, &host.stats);
        host.send(NOW);
        let mut got = Vec::new();
        let mut take = |sent: Vec<Vec<u8>>| {
            let is_data = |frame: &Vec<u8>| Header::decode(frame).unwrap().0.kind == Kind::Data;
            let data = sent.into_iter().filter(is_data);
            got.extend(data.flat_map(|frame| records(&frame)));
        };
        for (key, expectation) in &expected {
            while !host.node.has_room() {
                take(host.send(NOW));
            }
            host.node.handle_expectation(key, expectation, NOW, &host.stats);
        }
        take(host.send(NOW.after(NS_PER_S / 10)));
        got.retain(|record| matches!(record, Record::Expectation(..)));
        let all: Vec<_> = expected.iter().map(|&(key, e)| Record::Expectation(key, e)).collect();
        prop_assert_eq!(got, all);
    }

    #[test]
    fn a_record_that_is_understood_is_canonical(
        entry in entry(),
        mutations in vec(any::<Mutation>(), 0..4),
    ) {
        let mut body = first_body(&frames(&[entry], &[])[0]).to_vec();
        mutations.iter().for_each(|mutation| mutate(&mut body, mutation));
        if let Some(Record::Upsert(entry)) = Record::decode(&body, &mut 0) {
            let sent = frames(&[entry], &[]);
            prop_assert_eq!(records(&sent[0]), [Record::Upsert(entry)]);
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        let mut host = Host::new(config(2));
        host.receive(&[bytes], NOW);
        prop_assert!(host.contents().is_empty());
    }

    #[test]
    fn random_records_do_no_harm(
        bodies in vec(vec(any::<u8>(), 0..60), 0..20),
        types in vec(0..10u8, 20),
    ) {
        let mut frame = frames(&[common::entry(1, 1)], &[]).remove(0);
        frame.truncate(HEADER_LEN);
        for (body, kind) in bodies.iter().zip(types) {
            frame.push(body.len() as u8 + 1);
            frame.push(kind);
            frame.extend(body);
        }
        let payload = (frame.len() - HEADER_LEN) as u16;
        frame[20..22].copy_from_slice(&(bodies.len() as u16).to_be_bytes());
        frame[22..24].copy_from_slice(&payload.to_be_bytes());
        let mut host = Host::new(config(2));
        host.receive(&[frame], NOW);
        prop_assert_eq!(host.count(Counter::RecordsReceived), bodies.len() as u64);
    }

    #[test]
    fn damaged_sequences_do_no_harm_and_heal(
        entries in vec(entry(), 1..40),
        mutations in vec(any::<Mutation>(), 1..40),
        later in vec(any::<(usize, usize)>(), 0..10),
    ) {
        let (mut a, mut b) = (Host::new(config(1)), Host::new(config(2)));
        a.node.promote(NOW, &a.stats);
        a.table.entries.extend(entries.iter().map(|entry| (entry.key, (*entry, 0))));
        let mut traffic = a.send(NOW);
        traffic.extend(a.send(NOW.after(NS_PER_S)));
        traffic.extend(b.send(NOW));
        // What it lacks of this it asks for.
        b.receive(traffic.iter().skip(1).step_by(2), NOW);
        traffic.extend(b.send(NOW.after(NS_PER_S / 50)));
        a.receive(&traffic[traffic.len() - 1..], NOW);
        traffic.extend(a.send(NOW.after(2 * NS_PER_S)));
        let clean = traffic.clone();
        for mutation in &mutations {
            let at = mutation.0 % traffic.len();
            mutate(&mut traffic[at], mutation);
        }
        for &(from, to) in &later {
            let frame = traffic.remove(from % traffic.len());
            traffic.insert(to % (traffic.len() + 1), frame);
        }
        b.receive(&traffic, NOW);
        a.receive(&traffic, NOW);
        b.receive(&clean, NOW);
        let mut now = NOW.after(2 * NS_PER_S);
        // A frame that was damaged into one of a high epoch or of another node may be believed:
        // nothing is authenticated. It must not harm, and does not last if it was not believed.
        common::talk(&mut [&mut a, &mut b], &mut now, 100);
    }

    #[test]
    fn the_queue_is_a_bounded_fifo(
        capacity in 1..6u32,
        steps in vec(prop_oneof![Just(None), any::<bool>().prop_flat_map(key).prop_map(Some)], 1..300),
    ) {
        let capacity = 1 << capacity;
        let slots: Vec<_> = (0..capacity).map(|_| Slot::new()).collect();
        let queue = Queue::new(slots.into()).unwrap();
        let (mut consumer, mut model) = (Consumer::new(), VecDeque::new());
        for step in steps {
            match step {
                Some(key) => {
                    let taken = queue.push(&key).is_ok();
                    prop_assert_eq!(taken, model.len() < capacity);
                    if taken {
                        model.push_back(key);
                    }
                }
                None => prop_assert_eq!(queue.pop(&mut consumer), model.pop_front()),
            }
            prop_assert_eq!(queue.is_empty(), model.is_empty());
        }
    }
}

/// Threads, without a model: the loom tests explore more, but never wrap as often.
#[test]
fn the_queue_loses_nothing_between_threads() {
    const EACH: u32 = 50_000;
    let slots: Vec<_> = (0..64).map(|_| Slot::new()).collect();
    let queue = Queue::new(slots.into()).unwrap();
    let made = |producer: u16, n: u32| {
        let mut key = Key {
            zone: producer,
            ..Key::default()
        };
        key.original.src[..4].copy_from_slice(&n.to_be_bytes());
        key.original.dst[12..].copy_from_slice(&n.to_be_bytes());
        key
    };
    std::thread::scope(|scope| {
        for producer in 0..2 {
            let queue = &queue;
            scope.spawn(move || {
                for n in 0..EACH {
                    while queue.push(&made(producer, n)).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        }
        let (mut consumer, mut next) = (Consumer::new(), [0, 0]);
        while next != [EACH; 2] {
            let Some(key) = queue.pop(&mut consumer) else {
                std::thread::yield_now();
                continue;
            };
            let n = &mut next[usize::from(key.zone)];
            assert_eq!(key, made(key.zone, *n), "each producer's keys in order");
            *n += 1;
        }
    });
}
