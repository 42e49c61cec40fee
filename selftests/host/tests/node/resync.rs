// SPDX-License-Identifier: GPL-2.0

//! Resyncs and scrubs: what is told, what is swept, how fast (§8).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::wire::header::{Header, Kind, HEADER_LEN};
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

#[test]
fn marks_that_go_round_hide_nothing_from_a_sweep() {
    let (mut a, mut b, mut now) = pair(1);
    // Told of with the present mark, and its end is lost for good.
    a.set(entry(77, 0), now);
    b.receive(&a.send(now.after(NS_PER_MS)), now);
    a.table.entries.remove(&entry(77, 0).key);
    for _ in 0..255 {
        // Takes a mark each time, and no resync comes.
        b.node.request_walk(&b.stats);
        a.set(entry(1, 1), now);
        now = now.after(NS_PER_MS);
        b.receive(&a.send(now), now);
    }
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(b.count(Counter::EntriesSwept), 1);
}

#[test]
fn an_end_waits_for_what_is_missing_before_it() {
    let (mut a, mut b, mut now) = pair(300);
    a.node.request_walk(&a.stats);
    now = now.after(NS_PER_S);
    let frames = a.send(now);
    let data: Vec<_> = frames
        .iter()
        .filter(|frame| Header::decode(frame).unwrap().0.kind == Kind::Data)
        .collect();
    assert!(data.len() >= 4);
    b.receive(
        data.into_iter()
            .enumerate()
            .filter(|&(i, _)| i != 2)
            .map(|(_, f)| f),
        now,
    );
    assert_eq!(b.count(Counter::ResyncsCompleted), 1, "the first");
    b.receive(&a.send(now.after(NS_PER_MS)), now);
    talk(&mut [&mut a, &mut b], &mut now, 1000);
    assert_eq!(b.count(Counter::ResyncsCompleted), 2);
    assert_eq!(a.count(Counter::ResyncsServed), 2, "no third is needed");
    assert_eq!(b.count(Counter::EntriesSwept), 0);
    assert!(b.node.synced(now));
}

/// A pair with a scrub each ten seconds, between two of them.
fn scrubbed_pair() -> (Host, Host, Time) {
    let (mut a, mut b, mut now) = pair(10);
    a.node.reconfigure(Config {
        scrub_interval: 10 * NS_PER_S,
        ..config(1)
    });
    a.node.set_table_size(10, 1000);
    talk(&mut [&mut a, &mut b], &mut now, 15_000);
    assert_eq!(a.count(Counter::ResyncsServed), 2);
    assert_eq!(b.count(Counter::ResyncsCompleted), 2);
    (a, b, now)
}

#[test]
fn a_scrub_of_a_healthy_cluster_corrects_nothing() {
    let (mut a, mut b, mut now) = scrubbed_pair();
    for n in 0..30_000u32 {
        a.set(entry((n % 20) as u16, n), now);
        if n % 3 == 0 {
            a.end(entry((n % 7) as u16, n).key, now);
        }
        talk(&mut [&mut a, &mut b], &mut now, 1);
    }
    assert_eq!(a.count(Counter::ResyncsServed), 5);
    assert_eq!(b.count(Counter::ScrubCorrections), 0);
    assert!(b.node.synced(now));
}

#[test]
fn a_scrub_corrects_what_has_gone_wrong_and_counts_it() {
    let (mut a, mut b, mut now) = scrubbed_pair();
    let stale = entry(999, 0);
    b.table.entries.insert(stale.key, (stale, 1));
    b.table.entries.remove(&entry(4, 0).key);
    b.table.entries.insert(entry(5, 0).key, (entry(5, 99), 1));
    talk(&mut [&mut a, &mut b], &mut now, 15_000);
    assert_eq!(a.contents(), b.contents());
    assert_eq!(b.count(Counter::ScrubCorrections), 3);
    talk(&mut [&mut a, &mut b], &mut now, 15_000);
    assert_eq!(b.count(Counter::ScrubCorrections), 3);
}

#[test]
fn an_idle_pair_that_is_scrubbed_stays_quiet() {
    let (mut a, mut b, mut now) = scrubbed_pair();
    let before = [&a, &b].map(|host| host.count(Counter::FramesSent));
    talk(&mut [&mut a, &mut b], &mut now, 30_000);
    for (host, before) in [&a, &b].iter().zip(before) {
        assert!(host.count(Counter::FramesSent) - before <= 60);
    }
}

/// Loses the frame with number `lost` of the stream that begins when the backup joins.
fn join_with_loss(lost: u64) {
    let (mut a, mut b, mut now) = (Host::new(config(1)), Host::new(config(2)), Time(NS_PER_S));
    a.node.promote(now, &a.stats);
    for i in 0..300 {
        let entry = entry(i, 0);
        a.table.entries.insert(entry.key, (entry, 0));
    }
    for _ in 0..5000 {
        let frames = a.send(now);
        let kept = frames.iter().filter(|frame| {
            let (header, _) = Header::decode(frame).unwrap();
            header.seq != lost || header.kind != ct_sync_host::proto::wire::header::Kind::Data
        });
        b.receive(kept, now);
        a.receive(&b.send(now), now);
        now = now.after(NS_PER_MS);
    }
    assert!(b.node.synced(now), "frame {lost} lost");
    assert_eq!(a.contents(), b.contents(), "frame {lost} lost");
}

#[test]
fn no_lost_frame_of_a_resync_leaves_the_backup_stuck() {
    // BEGIN is in the first, END in the last.
    (1..=6).for_each(join_with_loss);
}

#[test]
fn what_the_resync_does_not_tell_of_is_swept() {
    let (mut a, mut b, mut now) = pair(10);
    let stale = entry(999, 0);
    b.table.entries.insert(stale.key, (stale, 1));
    a.node.demote(now, &a.stats);
    a.node.promote(now, &a.stats);
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(b.count(Counter::EntriesSwept), 1);
    assert_eq!(a.contents(), b.contents());
}

#[test]
fn a_resync_does_not_get_far_ahead_of_a_backup() {
    let (mut a, mut b, mut now) = pair(500);
    let deaf_since = a.node.seq();
    a.node.request_walk(&a.stats);
    let mut told = 0;
    // One batch at a time, as the module does it; nobody answers.
    for _ in 0..50 {
        while let Some(walk) = a.node.poll_walk(now, &a.stats) {
            told += walk.budget;
            for n in 0..walk.budget {
                while !a.node.has_room() {
                    a.node.poll_transmit(now, &a.stats);
                }
                a.node.handle_walked(&entry(n as u16, 0), now, &a.stats);
            }
        }
        while a.node.poll_transmit(now, &a.stats).is_some() {}
        now = now.after(NS_PER_MS);
    }
    let sent = a.node.seq() - deaf_since;
    assert!((16..20).contains(&sent), "{sent} frames, {told} records");
    let next = a.node.poll_timeout().unwrap();
    assert!(next > now, "it does not spin meanwhile");
    now = now.after(100 * NS_PER_MS);
    assert!(
        a.node.poll_walk(now, &a.stats).is_some(),
        "but goes on a little"
    );
    assert!(a.node.poll_walk(now, &a.stats).is_none());
    // A word of the backup lets it go on at once.
    let seq = a.node.seq();
    let beat = loop {
        now = now.after(NS_PER_MS);
        if let Some(frame) = b.send(now).pop() {
            break frame;
        }
    };
    let mut beat = beat;
    let applied = HEADER_LEN + 16..HEADER_LEN + 24;
    beat[applied].copy_from_slice(&seq.to_be_bytes());
    a.receive([&beat], now);
    assert!(a.node.poll_walk(now, &a.stats).is_some());
}

#[test]
fn a_backup_says_how_far_it_is_while_a_resync_comes_in() {
    let (mut a, mut b, mut now) = pair(500);
    let before = b.count(Counter::HeartbeatsSent);
    a.node.request_walk(&a.stats);
    talk(&mut [&mut a, &mut b], &mut now, 20);
    assert!(b.count(Counter::HeartbeatsSent) > before);
    assert_eq!(b.count(Counter::ResyncsCompleted), 2);
    let before = b.count(Counter::HeartbeatsSent);
    for n in 0..100 {
        a.set(entry(n, 1), now);
        talk(&mut [&mut a, &mut b], &mut now, 5);
    }
    assert!(
        b.count(Counter::HeartbeatsSent) - before <= 2,
        "live records need none"
    );
}

#[test]
fn a_backup_that_joins_in_the_middle_of_a_walk_does_not_take_its_end() {
    let (mut a, mut b, now) = (Host::new(config(1)), Host::new(config(2)), Time(NS_PER_S));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    a.node.promote(now, &a.stats);
    a.flush(now, &mut before);
    assert!(a.node.poll_walk(now, &a.stats).is_some());
    for n in 0..20 {
        a.node.handle_walked(&entry(n, 0), now, &a.stats);
    }
    a.flush(now.after(NS_PER_MS), &mut before);
    // More live records than the walk has told of: their number does not give it away.
    for change in 0..30 {
        a.set(entry(100, change), now);
    }
    a.node.handle_walk_end(now);
    a.node.poll_walk(now, &a.stats);
    a.flush(now.after(2 * NS_PER_MS), &mut after);
    b.receive(&after, now);
    assert_eq!(a.count(Counter::ResyncsServed), 1, "its end is in there");
    assert_eq!(b.count(Counter::EntriesInserted), 1);
    assert_eq!(b.count(Counter::ResyncsCompleted), 0);
    assert!(!b.node.synced(now));
}
