// SPDX-License-Identifier: GPL-2.0

//! Frames and nodes that are refused (§3, §6).

use super::common::*;
use super::pair;
use ct_sync_host::proto::time::{NS_PER_MS, NS_PER_S};
use ct_sync_host::proto::wire::header::HEADER_LEN;
use ct_sync_host::proto::*;
use ct_sync_host::stats::Counter;

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
