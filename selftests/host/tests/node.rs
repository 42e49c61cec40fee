// SPDX-License-Identifier: GPL-2.0

//! Two or three nodes, one situation each: what the specification promises, section by section.

#![cfg(not(loom))]

mod common;

use common::*;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::wire::header::{Header, Kind, HEADER_LEN};
use ct_sync_host::proto::*;
use ct_sync_host::sim::Rng;
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

#[test]
fn another_node_with_the_same_id_is_reported() {
    let (mut a, _, now) = pair(1);
    let mut twin = Host::new(Config {
        incarnation: 5,
        ..config(1)
    });
    let frames = twin.send(now);
    a.receive(&frames, now);
    a.receive(&frames, now);
    assert_eq!(a.count(Counter::DuplicateNodeIdSeen), 1);
    assert!(a.count(Counter::FramesOwnNodeId) >= 2);
    assert!(a.node.take_notices().contains(Notice::DuplicateNodeId));
    assert!(a.node.take_notices().is_empty());
}

/// Changes one byte of a data frame and says what counter the backup counts it under.
fn refusal(change: impl Fn(&mut Vec<u8>)) -> Counter {
    let (mut a, mut b, now) = pair(3);
    a.set(entry(77, 0), now);
    a.end(entry(1, 0).key, now);
    let mut frame = a.send(now.after(NS_PER_MS)).remove(0);
    change(&mut frame);
    let before: Vec<_> = b.stats.iter().map(|(_, value)| value).collect();
    b.receive(&[frame], now);
    assert_eq!(b.contents().len(), 3, "it had no effect");
    assert!(b.node.synced(now));
    let reports = [Counter::FramesReceived, Counter::DuplicateNodeIdSeen];
    let changed = |(i, &counter): (usize, &Counter)| {
        let reason = !reports.contains(&counter) && b.count(counter) != before[i];
        reason.then_some(counter)
    };
    let mut reasons = Counter::ALL.iter().enumerate().filter_map(changed);
    let reason = reasons.next().expect("a counter");
    assert_eq!(reasons.next(), None, "one reason");
    reason
}

#[test]
fn frames_that_are_refused_have_no_effect_and_one_reason() {
    let set = |at: usize, value: u8| move |frame: &mut Vec<u8>| frame[at] = value;
    assert_eq!(refusal(set(0, 0)), Counter::FramesBadMagic);
    assert_eq!(refusal(set(4, 9)), Counter::FramesBadVersion);
    assert_eq!(refusal(set(5, 9)), Counter::FramesUnknownKind);
    assert_eq!(refusal(set(5, 5)), Counter::FramesUnknownKind);
    assert_eq!(refusal(set(11, 2)), Counter::FramesOtherCluster);
    assert_eq!(refusal(set(15, 2)), Counter::FramesOwnNodeId);
    assert_eq!(refusal(|f| f.truncate(f.len() - 1)), Counter::FramesShort);
    assert_eq!(refusal(|f| f.truncate(20)), Counter::FramesShort);
    assert_eq!(refusal(|f| f.clear()), Counter::FramesShort);
    assert_eq!(refusal(|f| f.push(0)), Counter::FramesTrailingGarbage);
    assert_eq!(refusal(set(21, 1)), Counter::FramesTrailingGarbage);
    assert_eq!(refusal(set(21, 3)), Counter::FramesRecordOverrun);
    assert_eq!(refusal(set(HEADER_LEN, 200)), Counter::FramesRecordOverrun);
    assert_eq!(refusal(set(31, 0)), Counter::FramesStaleEpoch);
    assert_eq!(refusal(|f| f[32..40].fill(0)), Counter::FramesLate);
}

#[test]
fn a_malformed_record_does_not_stop_the_rest() {
    let (mut a, mut b, now) = pair(0);
    a.set(entry(1, 0), now);
    a.set(entry(2, 0), now);
    let mut frame = a.send(now.after(NS_PER_MS)).remove(0);
    frame[HEADER_LEN + 3] = 0; // protocol
    b.receive(&[frame], now);
    assert_eq!(b.count(Counter::RecordsMalformed), 1);
    assert_eq!(b.contents().len(), 1);
}

#[test]
fn more_peers_than_there_is_room_for_are_refused() {
    let (mut a, mut now) = (Host::new(config(1)), Time(NS_PER_S));
    for id in 2..=80 {
        let frames = Host::new(config(id)).send(now);
        a.receive(&frames[..1], now);
    }
    assert_eq!(a.node.peers().count(), PEERS_MAX);
    assert_eq!(a.count(Counter::FramesPeersFull), 79 - PEERS_MAX as u64);
    assert!(a.node.take_notices().contains(Notice::PeersFull));
    now = now.after(4 * NS_PER_S);
    let frames = Host::new(config(99)).send(now);
    a.receive(&frames[..1], now);
    assert!(
        a.node.peers().any(|peer| peer.node_id == 99),
        "a silent one gave way"
    );
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

#[test]
fn an_update_leaves_out_what_never_changes() {
    let (mut a, mut b, now) = pair(0);
    a.set(masqueraded(1, 1, 1024), now);
    let whole = a.send(now.after(NS_PER_MS));
    a.change(masqueraded(1, 2, 1024), now);
    let brief = a.send(now.after(2 * NS_PER_MS));
    assert_eq!(whole[0].len() - brief[0].len(), 2 + 1 + 4 + 2);
    b.receive(whole.iter().chain(&brief), now);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(b.count(Counter::EntriesUpdated), 1);
    assert_eq!(b.count(Counter::RecordsIncomplete), 0);
}

#[test]
fn an_update_whose_insert_was_lost_waits_for_the_repair() {
    let (mut a, mut b, mut now) = pair(0);
    a.set(masqueraded(1, 1, 1024), now);
    a.send(now.after(NS_PER_MS));
    for change in 2..5 {
        now = now.after(NS_PER_MS);
        a.change(masqueraded(1, change, 1024), now);
        b.receive(&a.send(now.after(NS_PER_MS)), now);
    }
    assert!(b.contents().is_empty(), "nothing is made of an update");
    assert_eq!(b.count(Counter::RecordsIncomplete), 3);
    talk(&mut [&mut a, &mut b], &mut now, 20);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(a.count(Counter::FramesRepaired), 1, "the lost one only");
    assert!(b.node.synced(now));
}

#[test]
fn a_connection_that_a_backup_has_lost_by_itself_is_told_of_again() {
    let (mut a, mut b, mut now) = pair(0);
    a.set(masqueraded(1, 1, 1024), now);
    talk(&mut [&mut a, &mut b], &mut now, 10);
    b.table.entries.clear();
    a.change(masqueraded(1, 2, 1024), now);
    talk(&mut [&mut a, &mut b], &mut now, 20);
    assert_eq!(b.count(Counter::RecordsIncomplete), 1);
    assert_eq!(b.contents(), a.contents());
    assert_eq!(b.count(Counter::NacksSent), 1);
    assert_eq!(b.count(Counter::FramesLost), 0);
    assert_eq!(b.count(Counter::ResyncsRequested), 1, "the first");
    assert!(b.node.synced(now));
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

#[test]
fn a_backup_that_joins_makes_nothing_of_updates() {
    let (mut a, mut now) = (Host::new(config(1)), Time(NS_PER_S));
    a.node.promote(now, &a.stats);
    (0..500).for_each(|n| {
        let entry = masqueraded(n, 0, n + 1);
        a.table.entries.insert(entry.key, (entry, 0));
    });
    a.send(now);
    a.send(now.after(NS_PER_S / 100));
    now = now.after(2 * NS_PER_S);
    let mut b = Host::new(config(2));
    for change in 1..50 {
        a.change(masqueraded(change as u16, change, change as u16 + 1), now);
        talk(&mut [&mut a, &mut b], &mut now, 2);
        assert!(b
            .contents()
            .iter()
            .all(|(key, entry)| entry.reply == a.contents()[key].reply));
    }
    talk(&mut [&mut a, &mut b], &mut now, 100);
    assert_eq!(b.contents(), a.contents());
    assert!(b.node.synced(now));
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
