// SPDX-License-Identifier: GPL-2.0

//! Frames that are lost: gaps, NACKs, repairs (§7).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::sim::Rng;
use ct_sync_host::stats::Counter;

/// Loses a frame with an update of connection 50, and delivers the next, with another update.
/// Returns the lost frame.
fn lose_one(a: &mut Host, b: &mut Host, now: Time) -> Vec<Vec<u8>> {
    a.set(entry(50, 1), now);
    a.end(entry(3, 0).key, now);
    let lost = a.send(now.after(NS_PER_MS));
    a.set(entry(50, 2), now);
    a.set(entry(51, 1), now);
    b.receive(&a.send(now.after(2 * NS_PER_MS)), now);
    lost
}

#[test]
fn a_gap_is_repaired_and_the_late_frame_has_no_effect() {
    let (mut a, mut b, mut now) = pair(10);
    let late = lose_one(&mut a, &mut b, now);
    assert!(!b.node.synced(now));
    assert_eq!(b.count(Counter::FramesGap), 1);
    assert_eq!(b.count(Counter::FramesLost), 1);
    b.receive(&late, now);
    assert_eq!(b.count(Counter::FramesLate), 1);
    assert_eq!(
        b.contents()[&entry(50, 0).key].mark,
        2,
        "not taken backwards"
    );
    assert!(!b.node.synced(now), "what is late is missing");
    talk(&mut [&mut a, &mut b], &mut now, 20);
    assert!(b.node.synced(now));
    assert_eq!(a.contents(), b.contents());
    assert_eq!(b.count(Counter::NacksSent), 1);
    assert_eq!(b.count(Counter::FramesMadeGood), 1);
    assert_eq!(a.count(Counter::RecordsRepaired), 2, "both its keys");
    assert_eq!(b.count(Counter::ResyncsRequested), 1, "the first");
    assert!(
        !b.node.take_notices().contains(Notice::SyncLost),
        "too short"
    );
}

#[test]
fn a_gap_that_stays_open_is_reported() {
    let (mut a, mut b, mut now) = pair(10);
    lose_one(&mut a, &mut b, now);
    b.node.take_notices();
    for _ in 0..1100 {
        // The primary is heard, but does not hear.
        b.receive(&a.send(now), now);
        b.send(now);
        now = now.after(NS_PER_MS);
    }
    assert!(b.node.take_notices().contains(Notice::SyncLost));
    let asked = b.count(Counter::NacksSent);
    assert!((4..=8).contains(&asked), "in ever longer distance: {asked}");
}

#[test]
fn a_repair_that_is_lost_is_repaired() {
    let (mut a, mut b, mut now) = pair(10);
    lose_one(&mut a, &mut b, now);
    let mut rng = Rng::new(7);
    for _ in 0..3000 {
        let mut frames = a.send(now);
        // Heartbeats too.
        frames.retain(|_| rng.happens(400_000));
        b.receive(&frames, now);
        a.receive(&b.send(now), now);
        now = now.after(NS_PER_MS);
    }
    assert_eq!(a.contents(), b.contents());
    assert!(b.node.synced(now));
    assert_eq!(a.count(Counter::ResyncsServed), 1);
}

#[test]
fn a_gap_beyond_the_backlog_leads_to_a_resync() {
    let (mut a, mut b, mut now) = pair(10);
    for n in 0..BACKLOG as u16 + 1 {
        a.set(entry(n, 7), now);
        a.end(entry(9, 0).key, now);
        assert_eq!(a.send(now.after(NS_PER_MS)).len(), 1, "and lost");
    }
    talk(&mut [&mut a, &mut b], &mut now, 3000);
    assert_eq!(a.count(Counter::RepairsImpossible), 1);
    assert_eq!(b.count(Counter::GapsGone), 1);
    assert_eq!(
        a.count(Counter::RecordsRepaired),
        0,
        "a resync is on its way"
    );
    assert_eq!(b.count(Counter::EntriesSwept), 1);
    assert_eq!(a.contents(), b.contents());
    assert!(b.node.synced(now));
}

#[test]
fn of_eight_backups_with_the_same_gap_one_asks() {
    let (mut a, mut now) = (Host::new(config(1)), Time(NS_PER_S));
    let mut backups: Vec<_> = (2..10).map(|id| Host::new(config(id))).collect();
    a.node.promote(now, &a.stats);
    let talk_all = |a: &mut Host, backups: &mut Vec<Host>, now: &mut Time, ms| {
        let mut hosts = vec![a];
        hosts.extend(backups.iter_mut());
        talk(&mut hosts, now, ms);
    };
    talk_all(&mut a, &mut backups, &mut now, 1100);
    assert!(backups.iter().all(|b| b.node.synced(now)));
    a.set(entry(50, 1), now);
    a.send(now.after(NS_PER_MS));
    a.set(entry(51, 1), now);
    talk_all(&mut a, &mut backups, &mut now, 100);
    let sum = |counter| backups.iter().map(|b| b.count(counter)).sum::<u64>();
    assert_eq!(sum(Counter::FramesMadeGood), 8);
    assert!(sum(Counter::NacksSent) <= 3, "{}", sum(Counter::NacksSent));
    assert!(sum(Counter::NacksSuppressed) >= 5);
    assert_eq!(a.count(Counter::RecordsRepaired), 1, "told once");
    for b in &backups {
        assert_eq!(b.contents(), a.contents());
        assert!(b.node.synced(now));
    }
}

#[test]
fn a_backup_asks_for_itself_when_the_primary_does_not_hear_the_other() {
    let (mut a, mut b, mut now) = pair(10);
    let mut deaf = Host::new(config(3));
    talk(&mut [&mut a, &mut b, &mut deaf], &mut now, 1900);
    assert!(b.node.synced(now) && deaf.node.synced(now));
    a.set(entry(50, 1), now);
    a.send(now.after(NS_PER_MS));
    // What node 3 says never gets to the primary, and it always asks first.
    let asked = now.after(10 * NS_PER_MS);
    a.set(entry(51, 1), now);
    let frames = a.send(now.after(NS_PER_MS));
    deaf.receive(&frames, now);
    let nack = deaf.send(asked);
    assert_eq!(deaf.count(Counter::NacksSent), 1);
    b.receive(&frames, now);
    for _ in 0..100 {
        b.receive(&nack, now);
        let sent = b.send(now);
        a.receive(&sent, now);
        b.receive(&a.send(now), now);
        now = now.after(NS_PER_MS);
    }
    assert!(b.count(Counter::NacksSuppressed) >= 1);
    assert_eq!(b.contents(), a.contents());
}

#[test]
fn a_lost_tail_is_noticed_by_the_heartbeat() {
    let (mut a, mut b, mut now) = pair(10);
    a.end(entry(3, 0).key, now);
    assert_eq!(a.send(now.after(NS_PER_MS)).len(), 1, "and lost");
    assert_eq!(b.contents().len(), 10);
    talk(&mut [&mut a, &mut b], &mut now, 100);
    assert_eq!(b.count(Counter::FramesLost), 1);
    assert_eq!(b.count(Counter::EntriesDeleted), 1);
    assert_eq!(a.contents(), b.contents());
    assert!(b.node.synced(now));
}

#[test]
fn the_heartbeats_behind_a_burst_become_fewer() {
    let (mut a, mut b, mut now) = pair(1);
    talk(&mut [&mut a, &mut b], &mut now, 700);
    a.set(entry(1, 5), now);
    let before = a.count(Counter::HeartbeatsSent);
    talk(&mut [&mut a, &mut b], &mut now, 900);
    let sent = a.count(Counter::HeartbeatsSent) - before;
    assert_eq!(
        sent, 5,
        "after 50, 150, 350 and 750 ms, and the regular one"
    );
}

#[test]
fn a_record_that_does_not_fit_is_not_lost_silently() {
    let (mut a, mut b, mut now) = pair(1);
    // Against the rules: without looking whether there is room.
    for n in 0..200 {
        a.set(entry(n, 1), now);
    }
    assert!(a.count(Counter::RecordsNoRoom) > 0);
    talk(&mut [&mut a, &mut b], &mut now, 3000);
    assert!(b.count(Counter::FramesLost) > 0);
    assert_eq!(a.contents(), b.contents());
}
