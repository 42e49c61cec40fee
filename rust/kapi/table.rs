// SPDX-License-Identifier: GPL-2.0

//! The conntrack table: lookups, buckets, passes. It is one for all namespaces; a [`Table`] is the
//! part of one.
//!
//! Locks: a bucket's lock is outside of an entry's and of that of expectations. A pass holds
//! `nf_conntrack_mutex`, which others wait for: `conntrack -F`, a resize, the exit of a namespace.

use core::ffi::c_void;
use core::ptr::NonNull;

use kernel::sync::aref::ARef;
use kernel::types::NotThreadSafe;

use super::abi;
use super::conn::Conn;
use super::net::Net;
use super::tuple::{Direction, Tuple, Zone};

/// The conntrack table of a namespace.
#[derive(Clone, Copy)]
pub(crate) struct Table(Net);

/// What becomes of an entry that a pass has looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays.
    Keep,
    /// It is deleted.
    Delete,
}

impl Table {
    /// The table of `net`.
    pub(crate) fn new(net: Net) -> Self {
        Self(net)
    }

    /// The namespace.
    pub(crate) fn net(self) -> Net {
        self.0
    }

    /// The entry that has `tuple` in the zone, and in which direction of its own. It may be dying.
    ///
    /// One that a resize of the table is moving may be missed; see [`Table::wait_for_resize`].
    pub(crate) fn find(self, zone: Zone, tuple: &Tuple) -> Option<(ARef<Conn>, Direction)> {
        let zone = zone.raw();
        // SAFETY: By the invariant of `Net`; zone and tuple are only read.
        let hash = unsafe {
            abi::nf_conntrack_find_get(self.0.raw(), &raw const zone, &raw const tuple.0)
        };
        let hash = NonNull::new(hash)?;
        // SAFETY: A part of the entry to which we were given a reference; it does not change.
        let direction = match unsafe { (*hash.as_ptr()).tuple.dst_dir } {
            abi::IP_CT_DIR_REPLY => Direction::Reply,
            _ => Direction::Original,
        };
        // SAFETY: As above.
        let ct = NonNull::new(unsafe { abi::ct_sync_conn_of(hash.as_ptr()) })?;
        // SAFETY: The reference is given to us.
        Some((unsafe { Conn::take(ct) }, direction))
    }

    /// Returns when no resize is under way: that holds all locks of the table until it is over.
    pub(crate) fn wait_for_resize(self) {
        drop(Bucket::lock(self, 0));
    }

    /// Shows every entry of the namespace, but for those that come meanwhile. Sleeps in between.
    pub(crate) fn for_each(self, each: &mut dyn FnMut(&Conn) -> Verdict) {
        let mut each = each;
        let data = abi::nf_ct_iter_data {
            net: self.0.raw(),
            data: (&raw mut each).cast(),
            portid: 0,
            report: 0,
        };
        // SAFETY: By the invariant of `Net`; `visit` takes a pointer to what `data` points to,
        // which nobody else uses until the pass is over.
        unsafe { abi::nf_ct_iterate_cleanup_net(visit, &raw const data) }
    }

    /// Entries in the namespace.
    pub(crate) fn count(self) -> u32 {
        // SAFETY: By the invariant of `Net`.
        unsafe { abi::nf_conntrack_count(self.0.raw()) }
    }

    /// Most entries that it may have.
    pub(crate) fn max(self) -> u32 {
        // SAFETY: Reads a variable.
        unsafe { abi::ct_sync_table_max() }
    }
}

/// Shows an entry to the closure of a pass.
///
/// # Safety
///
/// For `nf_ct_iterate_cleanup_net()` only: `ct` is in the table, whose bucket is locked; `data`
/// points to the reference to a closure that nobody else uses.
unsafe extern "C" fn visit(ct: *mut abi::nf_conn, data: *mut c_void) -> i32 {
    // SAFETY: By the caller's promise.
    let each = unsafe { &mut *data.cast::<&mut dyn FnMut(&Conn) -> Verdict>() };
    // SAFETY: The table has a reference while the bucket is locked.
    i32::from(each(unsafe { Conn::from_raw(ct) }) == Verdict::Delete)
}

/// A locked bucket of the table; bottom halves are off, and it is an RCU section.
///
/// # Invariants
///
/// The lock of bucket `number` is held by this task. `size` is how many buckets there are, and does
/// not change.
pub(crate) struct Bucket {
    table: Table,
    number: u32,
    size: u32,
    _on_this_cpu: NotThreadSafe,
}

impl Bucket {
    /// Locks bucket `number`, which may be beyond the end of the table.
    pub(crate) fn lock(table: Table, number: u32) -> Self {
        // SAFETY: The drop unlocks.
        let size = unsafe { abi::ct_sync_bucket_lock(number) };
        // INVARIANT: Locked just now.
        Self {
            table,
            number,
            size,
            _on_this_cpu: NotThreadSafe,
        }
    }

    /// How many buckets there are.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// The entries of the namespace whose original direction is in this bucket.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Conn> {
        let first = match self.number < self.size {
            // SAFETY: By the type invariant there is such a bucket, and it is locked.
            true => unsafe { abi::ct_sync_bucket_first(self.number) },
            false => core::ptr::null_mut(),
        };
        let mut next = NonNull::new(first);
        core::iter::from_fn(move || {
            let this = next?;
            // SAFETY: In the bucket, which is locked.
            next = NonNull::new(unsafe { abi::ct_sync_bucket_next(this.as_ptr()) });
            Some(this)
        })
        .filter_map(|hash| {
            // SAFETY: As above.
            if unsafe { (*hash.as_ptr()).tuple.dst_dir } != abi::IP_CT_DIR_ORIGINAL {
                return None;
            }
            // SAFETY: As above.
            let ct = unsafe { abi::ct_sync_conn_of(hash.as_ptr()) };
            // SAFETY: The table has a reference while the bucket is locked.
            Some(unsafe { Conn::from_raw(ct) })
        })
        .filter(|conn| conn.net() == self.table.net())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is locked.
        unsafe { abi::ct_sync_bucket_unlock(self.number) }
    }
}

/// Lets others run, between two buckets.
///
/// # Context
///
/// Process, with no lock.
pub(crate) fn yield_now() {
    // SAFETY: By the caller's context; at worst the kernel says that it is called in a wrong one.
    unsafe { abi::ct_sync_cond_resched() }
}
