// SPDX-License-Identifier: GPL-2.0

//! TCP windows that this node cannot know.
//!
//! The windows of a copy are always old. Old windows make valid packets INVALID; zeroed ones are
//! learnt from the next packet. That may be a retransmission which the peer already has, and then
//! what is learnt is wrong for good. So the direction is liberal until [`end_grace`] finds that the
//! windows were learnt.

use super::status::{self, GRACE, GRACE_MASK};
use crate::kapi::conn::Fields;
use crate::kapi::proto_state::{tcp, Locked, TcpState};
use crate::proto::{Entry, TcpWindow};

/// Has `tcp_in_window()` learn a direction's window anew. Returns whether it was strict before.
fn forget(seen: &mut TcpState) -> bool {
    (seen.td_end, seen.td_maxend) = (0, 0);
    (seen.td_maxwin, seen.td_maxack) = (0, 0);
    // Data that may be acknowledged by now must not shorten the timeout.
    seen.flags &= !(tcp::FLAG_MAXACK_SET | tcp::FLAG_DATA_UNACKNOWLEDGED);
    let strict = seen.flags & tcp::FLAG_BE_LIBERAL == 0;
    seen.flags |= tcp::FLAG_BE_LIBERAL;
    strict
}

/// Forgets both directions' windows, and notes which were strict.
fn forget_both(locked: &mut Locked<'_>) {
    let mut grace = 0;
    let tcp = locked.tcp();
    for (seen, bit) in tcp.seen.iter_mut().zip(GRACE) {
        if forget(seen) {
            grace |= bit.mask();
        }
    }
    // A zero stands for a window that is closed, which would shorten the timeout too.
    tcp.last_win = 1;
    locked.entry().status().change(0, grace);
}

/// Whether windows are needed as they are: a SYN-ACK is checked against the SYN's own.
pub(super) fn are_exact(state: u8) -> bool {
    state == tcp::SYN_SENT || state == tcp::SYN_SENT2
}

/// Makes an entry's TCP state that of a record. Where the primary's own entry is strict, this one
/// is liberal for a while.
pub(super) fn write(entry: &Fields, record: &Entry) {
    let mut locked = entry.lock();
    entry.status().change(GRACE_MASK, 0);
    let tcp = locked.tcp();
    tcp.state = record.state;
    tcp.retrans = 0;
    let recorded = record.tcp_flags.into_iter().zip(record.tcp_scale);
    for (seen, (flags, scale)) in tcp.seen.iter_mut().zip(recorded) {
        (seen.flags, seen.td_scale) = (flags, scale);
    }
    forget_both(&mut locked);
    if record.has & Entry::HAS_TCP_WINDOW != 0 {
        for (seen, window) in locked.tcp().seen.iter_mut().zip(&record.tcp_window) {
            (seen.td_end, seen.td_maxend) = (window.end, window.max_end);
            (seen.td_maxwin, seen.td_maxack) = (window.max_window, window.max_ack);
        }
    }
}

/// Reads an entry's TCP state into a record. What this node has only allowed for a while is not
/// told.
pub(super) fn read(entry: &Fields, record: &mut Entry) {
    let grace = entry.status().load();
    record.has |= Entry::HAS_TCP;
    let mut locked = entry.lock();
    let tcp = locked.tcp();
    record.state = tcp.state;
    for (dir, (seen, bit)) in tcp.seen.iter().zip(GRACE).enumerate() {
        let mut flags = seen.flags & !tcp::FLAG_MAXACK_SET;
        if grace & bit.mask() != 0 {
            flags &= !tcp::FLAG_BE_LIBERAL;
        }
        record.tcp_flags[dir] = flags;
        record.tcp_scale[dir] = seen.td_scale;
        if are_exact(tcp.state) {
            record.has |= Entry::HAS_TCP_WINDOW;
            record.tcp_window[dir] = TcpWindow {
                end: seen.td_end,
                max_end: seen.td_maxend,
                max_window: seen.td_maxwin,
                max_ack: seen.td_maxack,
            };
        }
    }
}

/// Flags that change with packets of which no event tells; nobody misses them. BE_LIBERAL comes
/// with a flowtable, and with our own grace.
const FLAGS_SILENT: u8 = tcp::FLAG_MAXACK_SET
    | tcp::FLAG_DATA_UNACKNOWLEDGED
    | tcp::EXP_CHALLENGE_ACK
    | tcp::FLAG_BE_LIBERAL;

/// Whether [`write`] would change nothing that matters.
pub(super) fn is_as(entry: &Fields, record: &Entry) -> bool {
    let mut locked = entry.lock();
    let tcp = locked.tcp();
    let recorded = record.tcp_flags.iter().zip(&record.tcp_scale);
    tcp.state == record.state
        && tcp.seen.iter().zip(recorded).all(|(seen, (flags, scale))| {
            (seen.flags ^ flags) & !FLAGS_SILENT == 0 && seen.td_scale == *scale
        })
}

/// Forgets the windows of a connection, where they are not needed exactly.
pub(super) fn forget_of(entry: &Fields) {
    let mut locked = entry.lock();
    if !are_exact(locked.tcp().state) {
        forget_both(&mut locked);
    }
}

/// Tracks a connection strictly again that was liberal only because of the takeover, if its windows
/// are known by now: if each side has sent a segment that was within them, for which
/// `tcp_in_window()` sets a flag. Returns false if they are not; what one side alone has taught is
/// forgotten then, since it may be wrong.
pub(super) fn end_grace(entry: &Fields) -> bool {
    let mut locked = entry.lock();
    let grace = entry.status().load();
    let tcp = locked.tcp();
    let learnt = tcp
        .seen
        .iter()
        .all(|seen| seen.flags & tcp::FLAG_MAXACK_SET != 0);
    if learnt {
        for (seen, bit) in tcp.seen.iter_mut().zip(GRACE) {
            if grace & bit.mask() != 0 {
                seen.flags &= !tcp::FLAG_BE_LIBERAL;
            }
        }
        entry.status().change(GRACE_MASK, 0);
    } else if !are_exact(tcp.state) {
        forget_both(&mut locked);
    }
    learnt
}

/// Leaves a connection liberal for good: whoever carries its packets relies on that, for conntrack
/// has not seen where its windows are when they come back.
pub(super) fn leave_liberal(entry: &Fields) {
    entry.status().change(GRACE_MASK, 0);
}

/// Whether a connection is liberal for a while, by us.
pub(super) fn is_in_grace(entry: &Fields) -> bool {
    entry.status().load() & status::GRACE_MASK != 0
}
