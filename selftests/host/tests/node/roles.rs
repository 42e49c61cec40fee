// SPDX-License-Identifier: GPL-2.0

//! Who is primary, and whose stream counts (§5, §9).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

#[test]
fn a_takeover_is_followed_and_a_demoted_node_gets_what_it_missed() {
    let (mut a, mut b, mut now) = pair(10);
    b.node.promote(now, &b.stats);
    assert_eq!(b.node.epoch(), 2);
    a.node.demote(now, &a.stats);
    b.set(entry(100, 0), now);
    b.end(entry(4, 0).key, now);
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(a.contents(), b.contents());
    assert!(a.node.synced(now));
    assert_eq!(a.node.epoch(), 2);
    assert_eq!(a.node.following().node_id, 2);
}

#[test]
fn records_that_wait_when_the_node_is_demoted_are_sent() {
    let (mut a, mut b, now) = pair(0);
    a.set(entry(1, 0), now);
    a.node.demote(now, &a.stats);
    b.receive(&a.send(now), now);
    assert_eq!(b.contents().len(), 1);
    assert!(!b.node.synced(now), "it has no primary");
}

#[test]
fn an_older_epoch_has_no_effect() {
    let (mut a, mut b, mut now) = pair(10);
    b.node.promote(now, &b.stats);
    talk(&mut [&mut a, &mut b], &mut now, 1100);
    assert_eq!(a.count(Counter::SplitBrainSeen), 1);
    assert_eq!(b.count(Counter::SplitBrainSeen), 1);
    assert!(a.node.take_notices().contains(Notice::SplitBrain));
    let mut c = Host::new(config(3));
    talk(&mut [&mut a, &mut b, &mut c], &mut now, 2000);
    assert_eq!(c.node.following().node_id, 2);
    a.end(entry(1, 0).key, now);
    let before = c.count(Counter::FramesStaleEpoch);
    c.receive(&a.send(now.after(NS_PER_MS)), now);
    assert_eq!(c.count(Counter::FramesStaleEpoch), before + 1);
    assert_eq!(c.contents().len(), 10);
    assert_eq!(a.count(Counter::SplitBrainSeen), 1, "counted once");
}

#[test]
fn equal_epochs_are_ordered_by_node_id() {
    let (mut a, mut b, mut c) = (
        Host::new(config(1)),
        Host::new(config(2)),
        Host::new(config(3)),
    );
    let mut now = Time(NS_PER_S);
    a.node.promote(now, &a.stats);
    b.node.promote(now, &b.stats);
    talk(&mut [&mut a, &mut b, &mut c], &mut now, 1500);
    assert_eq!((a.node.epoch(), b.node.epoch()), (1, 1));
    assert_eq!(c.node.following().node_id, 2);
    // The one that nobody follows stays when the other is demoted, and makes itself heard.
    b.node.demote(now, &b.stats);
    talk(&mut [&mut a, &mut b, &mut c], &mut now, 6000);
    assert_eq!(a.node.epoch(), 2);
    assert_eq!(c.node.following().node_id, 1);
    assert!(b.node.synced(now) && c.node.synced(now));
}

#[test]
fn a_restarted_primary_that_remembers_nothing_is_heard() {
    let (mut a, mut b, mut now) = pair(10);
    a.node.demote(now, &a.stats);
    a.node.promote(now, &a.stats);
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(b.node.epoch(), 2);
    let mut again = Host::new(Config {
        incarnation: 77,
        ..config(1)
    });
    again.node.promote(now, &again.stats);
    again.set(entry(500, 0), now);
    talk(&mut [&mut again, &mut b], &mut now, 8000);
    assert_eq!(again.node.epoch(), 3);
    assert!(again.node.take_notices().contains(Notice::Repromoted));
    assert_eq!(b.contents(), again.contents());
    assert!(b.node.synced(now));
    // Frames of the life that is over come too late.
    a.end(entry(500, 0).key, now);
    b.receive(&a.send(now), now);
    assert!(b.count(Counter::FramesRetired) >= 1);
    assert_eq!(b.contents().len(), 1);
}

#[test]
fn a_silent_primary_ends_being_synced() {
    let (_, mut b, now) = pair(1);
    let until = b.node.poll_timeout().unwrap();
    assert!(until <= now.after(NS_PER_S));
    let silent = now.after(3 * NS_PER_S);
    b.send(silent);
    assert!(!b.node.synced(silent));
    assert!(b.node.take_notices().contains(Notice::SyncLost));
}

#[test]
fn roles_that_are_set_again_change_nothing() {
    let (mut a, mut b, now) = pair(1);
    a.node.promote(now, &a.stats);
    b.node.demote(now, &b.stats);
    assert_eq!(a.node.epoch(), 1);
    assert_eq!(a.count(Counter::Promotions), 1);
    assert_eq!(b.count(Counter::Demotions), 0);
    assert!(b.node.synced(now));
}

#[test]
fn a_new_name_starts_a_new_stream() {
    let (mut a, mut b, mut now) = pair(5);
    a.node.reconfigure(Config {
        node_id: 9,
        ..config(1)
    });
    talk(&mut [&mut a, &mut b], &mut now, 2000);
    assert_eq!(b.node.following().node_id, 9);
    assert!(b.node.synced(now));
}
