// SPDX-License-Identifier: GPL-2.0

//! Two or three nodes, one situation each: what the specification promises, section by section.

#![cfg(not(loom))]

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod lacking;
mod repair;
mod resync;
mod roles;
mod updates;

use common::*;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

/// A primary with `n` connections and a synced backup, between two heartbeats.
fn pair(n: u16) -> (Host, Host, Time) {
    let (mut a, mut b, mut now) = (Host::new(config(1)), Host::new(config(2)), Time(NS_PER_S));
    a.node.promote(now, &a.stats);
    (0..n).for_each(|i| {
        let entry = entry(i, 0);
        a.table.entries.insert(entry.key, (entry, 0));
    });
    talk(&mut [&mut a, &mut b], &mut now, 1100);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
    (a, b, now)
}

#[test]
fn a_backup_that_joins_gets_everything() {
    let (a, mut b, _) = pair(500);
    assert_eq!(b.count(Counter::EntriesInserted), 500);
    assert_eq!(b.count(Counter::ResyncsCompleted), 1);
    assert_eq!(
        a.count(Counter::ResyncsServed),
        1,
        "the request crossed the BEGIN"
    );
    assert!(b.node.take_notices().contains(Notice::Synced));
}

#[test]
fn live_records_arrive_after_flush_time() {
    let (mut a, mut b, now) = pair(0);
    a.set(entry(1, 7), now);
    assert!(a.send(now).is_empty(), "it waits for others");
    assert_eq!(a.node.poll_timeout(), Some(now.after(NS_PER_MS)));
    let frames = a.send(now.after(NS_PER_MS));
    assert_eq!(frames.len(), 1);
    b.receive(&frames, now);
    assert_eq!(b.contents(), a.contents());
    a.end(entry(1, 7).key, now);
    b.receive(&a.send(now.after(NS_PER_MS)), now);
    assert!(b.contents().is_empty());
}

#[test]
fn a_full_frame_leaves_at_once_and_is_no_longer_than_allowed() {
    let (mut a, _, now) = pair(0);
    let mut n = 0;
    while a.node.has_room_for(&entry(n, 0)) {
        a.set(entry(n, 0), now);
        n += 1;
    }
    let frames = a.send(now);
    assert_eq!(frames.len(), 1);
    assert!(frames[0].len() <= FRAME_MAX);
    assert!(n > 60, "{n} records of 18 bytes");
}

#[test]
fn an_idle_pair_sends_a_frame_a_second_each_way() {
    let (mut a, mut b, mut now) = pair(1);
    let before = [&a, &b].map(|host| host.count(Counter::FramesSent));
    talk(&mut [&mut a, &mut b], &mut now, 10_000);
    for (host, before) in [&a, &b].iter().zip(before) {
        assert!(host.count(Counter::FramesSent) - before <= 11);
    }
    let peer = a.node.peers().next().unwrap();
    assert_eq!((peer.node_id, peer.synced, peer.follows), (2, true, true));
    assert_eq!(a.node.lag(peer), 0);
    assert!(peer.heard_us.is_some_and(|at| now.since(at) < 2 * NS_PER_S));
}

#[test]
fn the_lag_of_a_deaf_backup_grows() {
    let (mut a, mut b, mut now) = pair(1);
    for n in 0..5 {
        a.set(entry(n, 1), now);
        now = now.after(NS_PER_MS);
        a.send(now);
    }
    now = now.after(NS_PER_S);
    a.receive(&b.send(now), now);
    let peer = a.node.peers().next().unwrap();
    assert_eq!(a.node.lag(peer), 5);
    assert_eq!(peer.behind_since, Some(now));
}
