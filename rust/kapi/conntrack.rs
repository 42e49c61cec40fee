// SPDX-License-Identifier: GPL-2.0

//! The kernel's conntrack table: entries as events show them, lookups, walks, changes.
//!
//! Everything here goes through `helpers/conntrack.c` and `helpers/apply.c`, which hold no
//! reference to an entry and no lock when they return.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::netns::Net;
use crate::proto::{Applied, Entry, Expectation, Expected, Key};

extern "C" {
    fn ct_sync_key_of(ct: *const c_void, key: *mut Key);
    fn ct_sync_mark_dirty(ct: *mut c_void) -> bool;
    fn ct_sync_is_shared(ct: *const c_void) -> bool;
    fn ct_sync_take_loss(ct: *mut c_void) -> bool;
    fn ct_sync_is_template(ct: *const c_void) -> bool;
    fn ct_sync_snapshot(
        net: *mut c_void,
        key: *const Key,
        mark_mask: u32,
        entry: *mut Entry,
    ) -> i32;
    fn ct_sync_walk(
        net: *mut c_void,
        cursor: *mut Cursor,
        mode: i32,
        mark: u8,
        mark_mask: u32,
        entries: *mut Entry,
        entries_max: u32,
        done: *mut bool,
        mute: *mut bool,
    ) -> u32;
    fn ct_sync_table_count(net: *mut c_void) -> u32;
    fn ct_sync_table_max(net: *mut c_void) -> u32;
    fn ct_sync_upsert(net: *mut c_void, entry: *const Entry, mark: u8, lost: *mut u32) -> i32;
    fn ct_sync_update(net: *mut c_void, entry: *const Entry, mark: u8, lost: *mut u32) -> i32;
    fn ct_sync_expectation_read(
        net: *mut c_void,
        key: *const Key,
        index: u8,
        expectation: *mut Expectation,
    ) -> bool;
    fn ct_sync_expect(net: *mut c_void, key: *const Key, expectation: *const Expectation) -> i32;
    fn ct_sync_delete(net: *mut c_void, key: *const Key) -> i32;
    fn ct_sync_sweep(net: *mut c_void, mark: u8) -> u32;
    fn ct_sync_pin_all(net: *mut c_void) -> u32;
    fn ct_sync_unpin_all(net: *mut c_void) -> u32;
    fn ct_sync_end_grace_all(net: *mut c_void) -> u32;
    fn ct_sync_forget_marks(net: *mut c_void) -> u32;
}

/// The entry that an event is about.
///
/// # Invariants
///
/// Points to a confirmed `struct nf_conn` that the giver of the event keeps alive during `'a`.
#[derive(Clone, Copy)]
pub(crate) struct EventEntry<'a>(NonNull<c_void>, PhantomData<&'a ()>);

impl EventEntry<'_> {
    /// The entry of an event, `None` if there is none.
    ///
    /// # Safety
    ///
    /// `ct` is the entry of an event that is being delivered, and is not used after that.
    pub(super) unsafe fn from_raw(ct: *mut c_void) -> Option<Self> {
        // INVARIANT: By the caller's promise.
        NonNull::new(ct).map(|ct| Self(ct, PhantomData))
    }

    /// The key of the connection.
    pub(crate) fn key(self) -> Key {
        let mut key = Key::default();
        // SAFETY: By the type invariant; the result is ours to write.
        unsafe { ct_sync_key_of(self.0.as_ptr(), &raw mut key) };
        key
    }

    /// Sets the dirty bit. Returns whether it was clear.
    pub(crate) fn mark_dirty(self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { ct_sync_mark_dirty(self.0.as_ptr()) }
    }

    /// Whether peers know the entry.
    pub(crate) fn is_shared(self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { ct_sync_is_shared(self.0.as_ptr()) }
    }

    /// Whether its end, on a backup, is a loss: nobody has asked for it. Says so once.
    pub(crate) fn take_loss(self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { ct_sync_take_loss(self.0.as_ptr()) }
    }

    /// Whether it is a template, which is not a connection.
    pub(crate) fn is_template(self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { ct_sync_is_template(self.0.as_ptr()) }
    }
}

/// What a lookup found.
pub(crate) enum Found {
    /// No such connection, or one that is dying.
    Absent,
    /// There is one.
    Present,
    /// One that ends on this node.
    Local,
    /// One without the mark that selects what is replicated.
    Unmarked,
    /// One that is not replicated any more.
    Withdrawn,
}

/// Which entries a walk is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkMode {
    /// Those without this mark; they get it. 1 to 255.
    Unmarked(u8),
    /// Those whose dirty bit is set; it is cleared.
    Dirty,
}

/// What of a record could not be kept, though the rest was applied: `CT_SYNC_LOST_*`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost(u32);

impl Lost {
    /// The timeout policy.
    pub(crate) const POLICY: Lost = Lost(1);
    /// The security mark.
    pub(crate) const CONTEXT: Lost = Lost(2);
    /// An extension.
    pub(crate) const EXTENSION: Lost = Lost(4);
    /// The helper.
    pub(crate) const HELPER: Lost = Lost(8);
    /// The master, for which another entry stands in.
    pub(crate) const MASTER: Lost = Lost(16);

    /// Whether all of `other` is among this.
    pub(crate) fn has(self, other: Lost) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a walk of the table stands.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    bucket: u32,
    size: u32,
}

/// What a part of a walk has brought.
pub(crate) struct Walked {
    /// How many entries were read.
    pub(crate) count: usize,
    /// Whether the walk has come to the table's end.
    pub(crate) done: bool,
    /// Whether one of them reports no changes: it is older than the module, or a rule restricts
    /// its events.
    pub(crate) mute: bool,
}

/// What is replicated: entries that have one of the bits of `mark_mask` in their mark;
/// all when it is 0.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// Bits of the connection mark.
    pub(crate) mark_mask: u32,
    /// Whether their counters are.
    pub(crate) counters: bool,
}

impl Filter {
    /// Takes out of an entry what is not replicated.
    fn apply(self, entry: &mut Entry) {
        if !self.counters {
            entry.extras.forget_counters();
        }
    }
}

/// The conntrack table of a namespace.
///
/// # Context
///
/// Threads.
#[derive(Clone, Copy)]
pub(crate) struct Conntrack(Net);

impl Conntrack {
    /// The table of `net`.
    pub(crate) fn new(net: Net) -> Self {
        Self(net)
    }

    /// The truth about a key, now; its dirty bit is cleared first. `entry` is what is present.
    pub(crate) fn snapshot(self, key: &Key, filter: Filter, entry: &mut Entry) -> Found {
        // SAFETY: By the invariant of `Net`; the result is ours to write.
        let found = unsafe { ct_sync_snapshot(self.0.as_ptr(), key, filter.mark_mask, entry) };
        filter.apply(entry);
        // The values of enum ct_sync_found.
        match found {
            1 => Found::Present,
            2 => Found::Local,
            3 => Found::Unmarked,
            4 => Found::Withdrawn,
            _ => Found::Absent,
        }
    }

    /// Goes on with a walk, until `entries` is full or the table ends.
    pub(crate) fn walk(
        self,
        cursor: &mut Cursor,
        mode: WalkMode,
        filter: Filter,
        entries: &mut [Entry],
    ) -> Walked {
        let (mode, mark) = match mode {
            WalkMode::Unmarked(mark) => (0, mark),
            WalkMode::Dirty => (1, 0),
        };
        let max = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let (mut done, mut mute) = (false, false);
        // SAFETY: By the invariant of `Net`; `entries` has room for `max`.
        let count = unsafe {
            ct_sync_walk(
                self.0.as_ptr(),
                cursor,
                mode,
                mark,
                filter.mark_mask,
                entries.as_mut_ptr(),
                max,
                &raw mut done,
                &raw mut mute,
            )
        };
        for entry in entries.iter_mut().take(count as usize) {
            filter.apply(entry);
        }
        Walked {
            count: count as usize,
            done,
            mute,
        }
    }

    /// Entries in the namespace's table.
    pub(crate) fn count(self) -> u32 {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_table_count(self.0.as_ptr()) }
    }

    /// Most entries that the table may have.
    pub(crate) fn max(self) -> u32 {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_table_max(self.0.as_ptr()) }
    }

    /// Makes the table say what a record says; also returns what of it could not be kept.
    ///
    /// # Context
    ///
    /// The mutex of the protocol is held: there is one caller at a time for a namespace.
    pub(crate) fn upsert(self, entry: &Entry, mark: u8) -> (Applied, Lost) {
        let mut lost = 0;
        // SAFETY: By the invariant of `Net`; `lost` is ours to write.
        let value = unsafe { ct_sync_upsert(self.0.as_ptr(), entry, mark, &raw mut lost) };
        (applied(value), Lost(lost))
    }

    /// Number `index` of what a connection expects, the oldest first, if there are as many.
    pub(crate) fn expectation(self, key: &Key, index: u8) -> Option<Expectation> {
        let mut expectation = Expectation::default();
        // SAFETY: By the invariant of `Net`; the result is ours to write.
        let found =
            unsafe { ct_sync_expectation_read(self.0.as_ptr(), key, index, &raw mut expectation) };
        found.then_some(expectation)
    }

    /// Has the copy of a connection expect what a record says.
    pub(crate) fn expect(self, master: &Key, expectation: &Expectation) -> Expected {
        // SAFETY: By the invariant of `Net`.
        match unsafe { ct_sync_expect(self.0.as_ptr(), master, expectation) } {
            // The values of enum ct_sync_expected.
            0 => Expected::Added,
            1 => Expected::Known,
            _ => Expected::Refused,
        }
    }

    /// Makes the copy of a connection as a record says that leaves out what never changes; also
    /// returns what of it could not be kept.
    ///
    /// # Context
    ///
    /// As [`Conntrack::upsert`].
    pub(crate) fn update(self, entry: &Entry, mark: u8) -> (Applied, Lost) {
        let mut lost = 0;
        // SAFETY: By the invariant of `Net`; `lost` is ours to write.
        let value = unsafe { ct_sync_update(self.0.as_ptr(), entry, mark, &raw mut lost) };
        (applied(value), Lost(lost))
    }

    /// Ends the copy of a connection.
    pub(crate) fn delete(self, key: &Key) -> Applied {
        // SAFETY: By the invariant of `Net`.
        applied(unsafe { ct_sync_delete(self.0.as_ptr(), key) })
    }

    /// Deletes every shared entry without `mark`; returns how many.
    pub(crate) fn sweep(self, mark: u8) -> u32 {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_sweep(self.0.as_ptr(), mark) }
    }

    /// Keeps shared entries from expiring by themselves.
    pub(crate) fn pin_all(self) {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_pin_all(self.0.as_ptr()) };
    }

    /// Gives pinned entries the timeout of their protocol and state.
    pub(crate) fn unpin_all(self) {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_unpin_all(self.0.as_ptr()) };
    }

    /// Has TCP windows tracked strictly again after a takeover, where they are known by now.
    /// Returns of how many connections they are not.
    pub(crate) fn end_grace_all(self) -> u32 {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_end_grace_all(self.0.as_ptr()) }
    }

    /// Clears the marks and dirty bits that an earlier run has left; to be called before events
    /// are.
    pub(crate) fn forget_marks(self) {
        // SAFETY: By the invariant of `Net`.
        unsafe { ct_sync_forget_marks(self.0.as_ptr()) };
    }
}

/// The values of `enum ct_sync_applied`.
fn applied(value: i32) -> Applied {
    match value {
        0 => Applied::Inserted,
        1 => Applied::Updated,
        2 => Applied::Deleted,
        3 => Applied::Absent,
        4 => Applied::ReplacedLocal,
        5 => Applied::Conflict,
        6 => Applied::TableFull,
        7 => Applied::NoMemory,
        8 => Applied::UnsupportedProtocol,
        9 => Applied::NatDiverged,
        11 => Applied::Busy,
        12 => Applied::Unchanged,
        13 => Applied::Incomplete,
        14 => Applied::Own,
        _ => Applied::Refused,
    }
}
