// SPDX-License-Identifier: GPL-2.0

//! Whatever goes through the whole table: walks, some buckets at a time, and passes, in one piece:
//! the end of a resync, and what a change of role means for timeouts and TCP windows.
//!
//! Context: threads; a pass sleeps in between.

use super::truth::{self, Filter, Found};
use super::{lifetime, masquerade, status, windows};
use crate::kapi::conn::Conn;
use crate::kapi::proto_state::protocol;
use crate::kapi::table::{self, Bucket, Table, Verdict};
use crate::kapi::tuple::Direction;
use crate::proto::Entry;

/// Buckets that one call of [`walk`] looks at, at most.
const WALK_BUCKETS: u32 = 4096;

/// Which entries a walk is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkMode {
    /// Those without this mark; they get it. 1 to 255.
    Unmarked(u8),
    /// Those whose dirty bit is set; it is cleared.
    Dirty,
}

impl WalkMode {
    fn wants(self, conn: &Conn) -> bool {
        match self {
            Self::Unmarked(mark) => status::mark_of(conn) != mark,
            Self::Dirty => conn.status().has(status::DIRTY),
        }
    }
}

/// Where a walk of the table stands.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    bucket: u32,
    size: u32,
}

/// What a part of a walk has brought.
#[derive(Default)]
pub(crate) struct Walked {
    /// How many entries were read.
    pub(crate) count: usize,
    /// Whether the walk has come to the table's end.
    pub(crate) done: bool,
    /// Whether one of them reports no changes: it is older than the module, or a rule restricts
    /// its events.
    pub(crate) mute: bool,
}

/// Reads what is wanted of one bucket. Returns false when `entries` is full and the bucket may hold
/// more: what was read no longer counts as wanted, so the bucket can be read again from its start.
fn walk_bucket(
    bucket: &Bucket,
    mode: WalkMode,
    filter: Filter,
    entries: &mut [Entry],
    walked: &mut Walked,
) -> bool {
    let wanted = |conn: &&Conn| status::is_there(conn) && mode.wants(conn);
    for conn in bucket.entries().filter(wanted) {
        let Some(entry) = entries.get_mut(walked.count) else {
            return false;
        };
        let found = truth::of_walked(conn.net(), conn, filter, entry);
        if !matches!(found, Found::Present | Found::Withdrawn) {
            continue;
        }
        if let WalkMode::Unmarked(mark) = mode {
            status::set_mark(conn, mark);
        }
        if conn.is_mute() {
            // Whatever is new of it is news, and no find of a scrub's.
            entry.has |= Entry::DIRTY;
            walked.mute = true;
        }
        walked.count += 1;
    }
    true
}

/// Goes on with a walk until `entries` is full, the table ends, or enough was looked at. A table
/// that was resized meanwhile is walked from its start again; entries that were read are not read
/// twice.
pub(super) fn walk(
    table: Table,
    cursor: &mut Cursor,
    mode: WalkMode,
    filter: Filter,
    entries: &mut [Entry],
) -> Walked {
    let mut walked = Walked::default();
    for _ in 0..WALK_BUCKETS {
        let bucket = Bucket::lock(table, cursor.bucket);
        if cursor.size != bucket.size() {
            *cursor = Cursor {
                bucket: 0,
                size: bucket.size(),
            };
            continue;
        }
        if cursor.bucket >= cursor.size {
            walked.done = true;
            break;
        }
        if !walk_bucket(&bucket, mode, filter, entries, &mut walked) {
            break;
        }
        cursor.bucket += 1;
    }
    table::yield_now();
    walked
}

/// Deletes every shared entry that does not bear `mark`; returns how many.
pub(super) fn sweep(table: Table, mark: u8) -> u32 {
    let mut swept = 0;
    table.for_each(&mut |conn| {
        if !status::is_shared(conn) || status::mark_of(conn) == mark {
            return Verdict::Keep;
        }
        status::renounce(conn);
        swept += 1;
        Verdict::Delete
    });
    swept
}

fn is_tcp(conn: &Conn) -> bool {
    conn.tuple(Direction::Original).protocol() == protocol::TCP
}

/// A primary that becomes a backup: shared entries wait for the new primary's word. Their windows
/// are out of date from now on, and this node may become primary again before it was told of each.
pub(super) fn pin_all(table: Table) {
    table.for_each(&mut |conn| {
        if status::is_shared(conn) {
            if is_tcp(conn) {
                windows::forget_of(conn);
            }
            lifetime::pin_unless_fixed(conn);
        }
        masquerade::untie(conn);
        Verdict::Keep
    });
}

/// A backup that becomes the primary: each entry gets its protocol's full timeout.
pub(super) fn unpin_all(table: Table) {
    table.for_each(&mut |conn| {
        if lifetime::is_pinned(conn) {
            lifetime::unpin(conn);
        }
        Verdict::Keep
    });
}

/// Tracks strictly again what was liberal only because of the takeover, where the windows are known
/// by now; returns how many entries are left.
pub(super) fn end_grace_all(table: Table) -> u32 {
    let mut left = 0;
    table.for_each(&mut |conn| {
        if is_tcp(conn) && windows::is_in_grace(conn) {
            if conn.is_offloaded() {
                windows::leave_liberal(conn);
            } else if !windows::end_grace(conn) {
                left += 1;
            }
        }
        Verdict::Keep
    });
    left
}

/// Ties masqueraded copies to interfaces of this node, and deletes those of which it has not the
/// address; returns how many.
pub(super) fn settle_masquerades(table: Table) -> u32 {
    let mut ended = 0;
    table.for_each(&mut |conn| {
        if masquerade::settle(conn) {
            return Verdict::Keep;
        }
        ended += 1;
        Verdict::Delete
    });
    ended
}

/// Clears what an earlier run has left in the entries. Before the notifier is armed.
pub(super) fn forget_marks(table: Table) {
    table.for_each(&mut |conn| {
        status::forget(conn);
        Verdict::Keep
    });
}
