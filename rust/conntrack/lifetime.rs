// SPDX-License-Identifier: GPL-2.0

//! How long entries live: on a backup until the primary's word, and what a takeover gives them.
//!
//! No event tells when the primary refreshes a timeout, so the copy of a busy connection must not
//! expire by itself: it is *pinned*. The kernel's own FIXED bit keeps packets that stray through a
//! backup from setting a timeout. It counts as ours while the pinned bit is there, so both are set
//! and cleared at once.

use kernel::sync::rcu;

use super::status::PINNED;
use crate::kapi::conn::{self, Bit, Conn, Fields, JIFFIES_MAX};
use crate::kapi::proto_state::{flow, protocol, sctp, tcp};
use crate::kapi::timeout;
use crate::kapi::tuple::Direction;
use crate::proto::Entry;

/// Keeps an entry from expiring by itself.
pub(super) fn pin(entry: &Fields) {
    let status = entry.status();
    status.change(0, PINNED.mask() | Bit::FIXED_TIMEOUT.mask());
    entry.set_expires(JIFFIES_MAX);
}

/// Gives an entry the time that a rule of the user's has fixed on the primary.
fn fix(entry: &Fields, seconds: u32) {
    entry.set_expires(conn::jiffies(seconds));
    entry
        .status()
        .change(PINNED.mask(), Bit::FIXED_TIMEOUT.mask());
}

/// Gives the copy of a connection the life that a record says.
pub(super) fn write(entry: &Fields, record: &Entry) {
    match record.status & Entry::FIXED_TIMEOUT {
        0 => pin(entry),
        _ => fix(entry, record.timeout_s),
    }
}

/// Whether its timeout was fixed by a rule of the user's.
pub(super) fn is_fixed(entry: &Fields) -> bool {
    let bits = entry.status().load();
    bits & Bit::FIXED_TIMEOUT.mask() != 0 && bits & PINNED.mask() == 0
}

/// Whether it waits for the primary's word.
pub(super) fn is_pinned(entry: &Fields) -> bool {
    entry.status().has(PINNED)
}

/// Gives an entry the full timeout of its protocol and state, which packets prolong from now on.
///
/// A tracker changes the state under the entry's lock, and the kernel sets the timeout of the new
/// state afterwards, unless it is fixed. So the state is read and the time no longer fixed under
/// that lock: a RST is either seen here, or sets its own short time.
pub(super) fn unpin(entry: &Fields) {
    let _locked = entry.lock();
    let fixed = PINNED.mask() | Bit::FIXED_TIMEOUT.mask();
    entry.status().change(fixed, 0);
    entry.set_expires(full_timeout(entry));
}

/// The full timeout of the entry's protocol and state, in jiffies.
fn full_timeout(entry: &Fields) -> u32 {
    let rcu = rcu::read_lock();
    let number = entry.tuple(Direction::Original).protocol();
    let replied = match entry.status().has(Bit::SEEN_REPLY) {
        true => flow::REPLIED,
        false => flow::UNREPLIED,
    };
    let index = match number {
        protocol::TCP => Some(entry.tcp_state_now())
            .filter(|&state| state < tcp::MAX)
            .unwrap_or(tcp::ESTABLISHED) as usize,
        protocol::SCTP => entry
            .sctp_state_now()
            .map(|state| match state < sctp::MAX {
                true => state as usize,
                false => sctp::ESTABLISHED as usize,
            })
            .unwrap_or(0),
        protocol::UDP => replied,
        // The tracker keeps them in the entry; a copy has them from its insertion.
        protocol::GRE => match entry.gre_timeouts() {
            Some(timeouts) => return timeouts[replied],
            None => 0,
        },
        _ => 0,
    };
    timeout_of(entry, number, index, &rcu)
}

/// The timeout number `index` of a protocol, in jiffies: by the entry's policy, or by its
/// namespace.
fn timeout_of(entry: &Fields, number: u8, index: usize, rcu: &rcu::Guard) -> u32 {
    entry
        .policy(rcu)
        .and_then(|policy| policy.timeout(index))
        .unwrap_or_else(|| timeout::of_protocol(entry.net(), number, index))
}

/// The timeouts that the tracker of GRE would give a new entry, in jiffies: without a reply, and
/// with one.
pub(super) fn gre_timeouts(entry: &Fields, rcu: &rcu::Guard) -> [u32; 2] {
    [flow::UNREPLIED, flow::REPLIED].map(|index| timeout_of(entry, protocol::GRE, index, rcu))
}

/// Seconds that are left, of an entry whose time is fixed.
pub(super) fn seconds_left(conn: &Conn) -> u32 {
    conn::seconds(conn.expires())
}

/// The status of an entry without what is our own doing: until it is unpinned, that its time is
/// fixed.
pub(super) fn own_status(entry: &Fields) -> usize {
    match entry.status().load() {
        bits if bits & PINNED.mask() != 0 => bits & !Bit::FIXED_TIMEOUT.mask(),
        bits => bits,
    }
}

/// A shared entry of a primary waits for a new primary's word, unless a rule has fixed its time.
pub(super) fn pin_unless_fixed(entry: &Fields) {
    if !is_fixed(entry) {
        pin(entry);
    }
}
