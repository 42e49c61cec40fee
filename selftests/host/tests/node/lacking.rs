// SPDX-License-Identifier: GPL-2.0

//! Connections that a backup was told of and does not have: no room, refused, vanished (§8.2).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

#[test]
fn a_table_that_is_too_small_is_reported_and_tried_again_seldom() {
    let (mut a, mut b, mut now) = (Host::new(config(1)), Host::new(config(2)), Time(NS_PER_S));
    a.node.set_table_size(20, 1000);
    b.node.set_table_size(0, 15);
    b.table.max = Some(15);
    a.node.promote(now, &a.stats);
    for n in 0..20 {
        let entry = entry(n, 0);
        a.table.entries.insert(entry.key, (entry, 0));
    }
    talk(&mut [&mut a, &mut b], &mut now, 10_000);
    assert_eq!(b.count(Counter::EntriesTableFull), 5);
    assert!(b.node.take_notices().contains(Notice::TableSmaller));
    assert!(!b.node.synced(now));
    b.table.max = None;
    talk(&mut [&mut a, &mut b], &mut now, 35_000);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
    assert!(b.count(Counter::ResyncsCompleted) <= 3);
}

/// Takes a connection from the table of a backup.
fn lose_locally(b: &mut Host, n: u16, now: Time) {
    assert!(b.table.entries.remove(&entry(n, 0).key).is_some());
    b.node.note_loss(now);
}

#[test]
fn what_a_backup_loses_by_itself_comes_back() {
    let (mut a, mut b, mut now) = pair(20);
    let before = b.count(Counter::ResyncsRequested);
    (0..5).for_each(|n| lose_locally(&mut b, n, now));
    assert!(!b.node.synced(now), "at once");
    talk(&mut [&mut a, &mut b], &mut now, 1000);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
    assert_eq!(
        b.count(Counter::ResyncsRequested),
        before + 1,
        "one for all"
    );
    assert_eq!(b.count(Counter::ScrubCorrections), 0);
}

#[test]
fn losses_that_go_on_do_not_keep_the_primary_walking() {
    let (mut a, mut b, mut now) = pair(20);
    let served = a.count(Counter::ResyncsServed);
    for _ in 0..300 {
        if b.table.entries.contains_key(&entry(7, 0).key) {
            lose_locally(&mut b, 7, now);
        }
        talk(&mut [&mut a, &mut b], &mut now, 100);
    }
    assert!(!b.node.synced(now));
    let walks = a.count(Counter::ResyncsServed) - served;
    assert!((2..=4).contains(&walks), "{walks} in 30 s");
    talk(&mut [&mut a, &mut b], &mut now, 12_000);
    assert!(b.node.synced(now), "and when they have ceased it is over");
    assert_eq!(a.contents(), b.contents());
}

#[test]
fn what_is_lost_while_a_resync_comes_in_is_asked_for_again() {
    let (mut a, mut b, mut now) = pair(500);
    b.node.request_walk(&b.stats);
    a.receive(&b.send(now), now);
    let mut frames = a.send(now);
    frames.extend(a.send(now.after(NS_PER_MS)));
    let (end, told) = frames.split_last().unwrap();
    b.receive(told, now);
    (0..500).for_each(|n| lose_locally(&mut b, n, now));
    b.receive([end], now);
    assert_eq!(b.count(Counter::ResyncsCompleted), 2);
    assert!(!b.node.synced(now), "the resync had told of it before");
    talk(&mut [&mut a, &mut b], &mut now, 1000);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
}

#[test]
fn a_connection_that_is_refused_is_not_asked_for_with_every_update() {
    let (mut a, mut b, mut now) = pair(0);
    b.table.refused = Some(masqueraded(1, 0, 1024).key);
    a.set(masqueraded(1, 1, 1024), now);
    for change in 2..1000 {
        a.change(masqueraded(1, change, 1024), now);
        talk(&mut [&mut a, &mut b], &mut now, 40);
    }
    assert_eq!(b.count(Counter::RecordsIncomplete), 998);
    assert_eq!(b.count(Counter::NacksSent), 1, "once in 30 s");
    assert!(!b.node.synced(now));
}

#[test]
fn a_backup_that_lacks_what_it_refused_is_not_synced_and_asks_once() {
    let mut scrubbed = config(1);
    scrubbed.scrub_interval = 100 * NS_PER_S;
    let (mut a, mut b, mut now) = (Host::new(scrubbed), Host::new(config(2)), Time(NS_PER_S));
    a.node.promote(now, &a.stats);
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert!(b.node.synced(now));
    b.node.take_notices();
    b.table.refused = Some(entry(1, 0).key);
    a.set(entry(1, 1), now);
    a.set(entry(2, 1), now);
    talk(&mut [&mut a, &mut b], &mut now, 100);
    assert!(!b.node.synced(now), "at once");
    assert!(b.node.take_notices().contains(Notice::SyncLost));

    talk(&mut [&mut a, &mut b], &mut now, 95_000);
    assert_eq!(
        b.count(Counter::ResyncsRequested),
        2,
        "the first, and one try"
    );
    assert_eq!(b.count(Counter::EntriesConflict), 2);
    assert!(!b.node.synced(now));
    talk(&mut [&mut a, &mut b], &mut now, 150_000);
    assert_eq!(b.count(Counter::ResyncsRequested), 2);
    assert!(b.count(Counter::EntriesConflict) > 2, "scrubs try it too");
    assert!(!b.node.synced(now));
    assert!(
        !b.node.take_notices().contains(Notice::Synced),
        "all the time"
    );

    // What was in the way is gone: the next scrub finds that out.
    b.table.refused = None;
    talk(&mut [&mut a, &mut b], &mut now, 150_000);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
    assert_eq!(b.count(Counter::ResyncsRequested), 2);
}

#[test]
fn a_resync_makes_up_for_what_was_refused_before_it_also_if_its_begin_is_lost() {
    let (mut a, mut b, mut now) = pair(10);
    b.table.refused = Some(entry(50, 0).key);
    a.set(entry(50, 1), now);
    talk(&mut [&mut a, &mut b], &mut now, 20);
    assert!(!b.node.synced(now));

    b.table.refused = None;
    a.node.request_walk(&a.stats);
    // Until it has told of all there is nothing that the backup hears.
    while a.count(Counter::RecordsSent) < 20 {
        now = now.after(NS_PER_MS);
        a.send(now);
    }
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(b.count(Counter::FramesLost), 1);
    assert_eq!(b.count(Counter::ResyncsCompleted), 2, "the first, and this");
    assert_eq!(a.contents(), b.contents());
    assert!(b.node.synced(now));
}
