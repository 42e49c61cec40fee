// SPDX-License-Identifier: GPL-2.0

//! Updates, which leave out what never changes (§4.5).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

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
