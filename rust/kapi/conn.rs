// SPDX-License-Identifier: GPL-2.0

//! Entries of the conntrack table (`struct nf_conn`), borrowed or counted.
//!
//! [`Conn`] is an entry that others may see: it is in the table, or was. A `&Conn` is alive as long
//! as the guard that it was borrowed from (a bucket's lock, the delivery of an event) or the
//! [`ARef`] that keeps it; there is no other way to one. [`Fields`] is what can be read and changed
//! of any entry, also of one that nobody sees yet ([`super::new_conn`]).
//!
//! Entries are SLAB_TYPESAFE_BY_RCU: the memory of one that was freed may be another connection at
//! once. So a reference is taken first, and what the entry is about is checked then
//! ([`super::table`]).
//!
//! # Teardown
//!
//! A reference that is held counts against the limit of the table and stalls the exit of its
//! namespace: keep none across a sleep.

use core::marker::PhantomPinned;
use core::ops::Deref;
use core::ptr::NonNull;

use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::sync::atomic::{Atomic, Full, Relaxed};

use super::abi;
use super::net::Net;
use super::tuple::{Direction, Tuple, Zone};
use crate::proto::Key;

/// Half of what fits into a timeout, so that arithmetic on it cannot overflow: at 250 Hz 49 days.
pub(crate) const JIFFIES_MAX: u32 = u32::MAX / 4;

/// `seconds` in jiffies, no more than [`JIFFIES_MAX`].
pub(crate) fn jiffies(seconds: u32) -> u32 {
    // SAFETY: Returns a constant.
    let hz = unsafe { abi::ct_sync_hz() };
    u64::from(seconds)
        .saturating_mul(u64::from(hz))
        .min(u64::from(JIFFIES_MAX)) as u32
}

/// Jiffies in whole seconds.
pub(crate) fn seconds(jiffies: u32) -> u32 {
    // SAFETY: Returns a constant, which is not 0.
    jiffies / unsafe { abi::ct_sync_hz() }.max(1)
}

/// The same, rounded up.
pub(crate) fn seconds_up(jiffies: u32) -> u32 {
    // SAFETY: Returns a constant, which is not 0.
    jiffies.div_ceil(unsafe { abi::ct_sync_hz() }.max(1))
}

/// Now, in the low 32 bits of jiffies (`nfct_time_stamp`).
pub(super) fn time_stamp() -> u32 {
    // SAFETY: Reads a variable.
    unsafe { abi::ct_sync_jiffies() }
}

/// What any entry has, whether others see it or not.
///
/// # Invariants
///
/// Is a `struct nf_conn` that is not freed while it is borrowed.
#[repr(transparent)]
pub(crate) struct Fields(abi::nf_conn, PhantomPinned);

impl Fields {
    /// Takes a pointer of C's for a borrowed entry.
    ///
    /// # Safety
    ///
    /// `ct` is a `struct nf_conn` that is not freed during `'a`.
    pub(super) unsafe fn from_raw<'a>(ct: *mut abi::nf_conn) -> &'a Self {
        // SAFETY: By the caller's promise; `Self` is transparent and of no size that is accessed.
        unsafe { &*ct.cast::<Self>() }
    }

    /// The pointer, for C. All that is changed through it is changed under a lock, or atomically.
    pub(super) fn as_ptr(&self) -> *mut abi::nf_conn {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// The namespace.
    pub(crate) fn net(&self) -> Net {
        // SAFETY: By the type invariant; a namespace lives longer than its entries.
        unsafe { Net::from_raw(abi::ct_sync_conn_net(self.as_ptr())) }
    }

    /// One direction. Tuples never change once an entry can be seen.
    pub(crate) fn tuple(&self, direction: Direction) -> Tuple {
        // SAFETY: By the type invariant.
        let tuple = unsafe { abi::ct_sync_conn_tuple(self.as_ptr(), direction.number()) };
        // SAFETY: It is a field of the entry.
        Tuple(unsafe { *tuple })
    }

    /// The zone.
    pub(crate) fn zone(&self) -> Zone {
        // SAFETY: By the type invariant.
        let zone = unsafe { abi::ct_sync_conn_zone(self.as_ptr()) };
        // SAFETY: It is a field of the entry, or a constant; neither changes.
        let zone = unsafe { *zone };
        Zone {
            id: zone.id,
            dir: zone.dir,
        }
    }

    /// The key of the connection.
    pub(crate) fn key(&self) -> Key {
        let (tuple, zone) = (self.tuple(Direction::Original), self.zone());
        Key {
            original: tuple.endpoints(),
            zone: zone.id,
            zone_dir: zone.dir,
            family: tuple.family(),
            protocol: tuple.protocol(),
            ..Key::default()
        }
    }

    /// The status word.
    pub(crate) fn status(&self) -> &Status {
        // SAFETY: By the type invariant.
        let word = unsafe { abi::ct_sync_conn_status(self.as_ptr()) };
        // SAFETY: A field of the entry, aligned; all that change it once others see the entry do so
        // atomically (include/uapi/linux/netfilter/nf_conntrack_common.h).
        unsafe { &*word.cast::<Status>() }
    }

    /// Jiffies that are left, 0 if its time is up.
    pub(crate) fn expires(&self) -> u32 {
        let left = self.timeout().load(Relaxed).wrapping_sub(time_stamp());
        if left > i32::MAX as u32 {
            0
        } else {
            left
        }
    }

    /// Whether its time is up (`nf_ct_is_expired()`).
    pub(crate) fn is_expired(&self) -> bool {
        self.expires() == 0
    }

    /// Gives it `jiffies` from now, at most [`JIFFIES_MAX`].
    pub(crate) fn set_expires(&self, jiffies: u32) {
        let timeout = time_stamp().wrapping_add(jiffies.min(JIFFIES_MAX));
        self.timeout().store(timeout, Relaxed);
    }

    fn timeout(&self) -> &Atomic<u32> {
        // SAFETY: By the type invariant; the kernel reads and writes it with READ_ONCE and
        // WRITE_ONCE.
        unsafe { Atomic::from_ptr(abi::ct_sync_conn_timeout(self.as_ptr())) }
    }

    /// The connection mark; `None` in a kernel without.
    pub(crate) fn mark(&self) -> Option<u32> {
        self.mark_word().map(|mark| mark.load(Relaxed))
    }

    /// Sets the connection mark.
    pub(crate) fn set_mark(&self, value: u32) {
        if let Some(mark) = self.mark_word() {
            mark.store(value, Relaxed);
        }
    }

    fn mark_word(&self) -> Option<&Atomic<u32>> {
        // SAFETY: By the type invariant.
        let mark = unsafe { abi::ct_sync_conn_mark(self.as_ptr()) };
        // SAFETY: As the timeout.
        (!mark.is_null()).then(|| unsafe { Atomic::from_ptr(mark) })
    }

    /// The security mark: a number of this node's; 0 is none.
    pub(crate) fn secmark(&self) -> u32 {
        self.secmark_word().map_or(0, |mark| mark.load(Relaxed))
    }

    /// Sets the security mark.
    pub(crate) fn set_secmark(&self, value: u32) {
        if let Some(mark) = self.secmark_word() {
            mark.store(value, Relaxed);
        }
    }

    fn secmark_word(&self) -> Option<&Atomic<u32>> {
        // SAFETY: By the type invariant.
        let mark = unsafe { abi::ct_sync_conn_secmark(self.as_ptr()) };
        // SAFETY: As the timeout.
        (!mark.is_null()).then(|| unsafe { Atomic::from_ptr(mark) })
    }

    /// Whether it is or was in the table.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.status().has_number(abi::IPS_CONFIRMED_BIT)
    }

    /// The connection that has announced this one.
    pub(crate) fn master(&self) -> Option<&Conn> {
        // SAFETY: By the type invariant; set before the entry can be seen and not changed any more.
        let master = unsafe { *abi::ct_sync_conn_master(self.as_ptr()) };
        // SAFETY: The entry has a reference to its master, which lives as long.
        (!master.is_null()).then(|| unsafe { Conn::from_raw(master) })
    }
}

/// A bit of `nf_conn.status` that this module may change: one of the upper half, which the kernel
/// does not use and netlink does not show, or one of those of the kernel's that say something of a
/// connection. All others say what an entry has or where it is, and a wrong one would crash the
/// kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bit(u32);

impl Bit {
    /// Packets have passed in both directions.
    pub(crate) const SEEN_REPLY: Self = Self(abi::IPS_SEEN_REPLY_BIT);
    /// The kernel does not give the connection up early.
    pub(crate) const ASSURED: Self = Self(abi::IPS_ASSURED_BIT);
    /// Sequence numbers are changed.
    pub(crate) const SEQ_ADJUST: Self = Self(abi::IPS_SEQ_ADJUST_BIT);
    /// Packets do not prolong its time.
    pub(crate) const FIXED_TIMEOUT: Self = Self(abi::IPS_FIXED_TIMEOUT_BIT);

    /// A bit of this module's own, 32 to 63.
    pub(crate) const fn own(number: u32) -> Self {
        assert!(number >= 32 && number < usize::BITS);
        Self(number)
    }

    /// The word with this bit alone.
    pub(crate) const fn mask(self) -> usize {
        1 << self.0
    }
}

/// The bits that [`Status::change`] takes.
const CHANGEABLE: usize = !(u32::MAX as usize)
    | Bit::SEEN_REPLY.mask()
    | Bit::ASSURED.mask()
    | Bit::SEQ_ADJUST.mask()
    | Bit::FIXED_TIMEOUT.mask();

/// `nf_conn.status`. What this module means by its bits is said in `conntrack/status.rs`.
#[repr(transparent)]
pub(crate) struct Status(Atomic<usize>);

impl Status {
    fn word(&self) -> *mut usize {
        self.0.as_ptr()
    }

    /// The word as it is now.
    pub(crate) fn load(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Whether a bit is set.
    pub(crate) fn has(&self, bit: Bit) -> bool {
        self.load() & bit.mask() != 0
    }

    /// Whether bit number `bit` of the kernel's is set.
    pub(super) fn has_number(&self, bit: u32) -> bool {
        self.load() & (1 << bit) != 0
    }

    /// Sets bit number `bit` of the kernel's.
    pub(super) fn set_number(&self, bit: u32) {
        // SAFETY: The word is `self`'s.
        unsafe { abi::ct_sync_bit_set(self.word(), bit) }
    }

    /// Sets a bit and returns whether it was set. A full barrier in any case.
    pub(crate) fn test_and_set(&self, bit: Bit) -> bool {
        // SAFETY: The word is `self`'s.
        unsafe { abi::ct_sync_bit_test_and_set(self.word(), bit.0) }
    }

    /// Clears a bit and returns whether it was set. A full barrier in any case.
    pub(crate) fn test_and_clear(&self, bit: Bit) -> bool {
        // SAFETY: The word is `self`'s.
        unsafe { abi::ct_sync_bit_test_and_clear(self.word(), bit.0) }
    }

    /// Clears and sets bits at once, those that a [`Bit`] may be, and writes nothing if they are so
    /// already.
    pub(crate) fn change(&self, clear: usize, set: usize) {
        let (clear, set) = (clear & CHANGEABLE, set & CHANGEABLE);
        let mut old = self.load();
        loop {
            let new = (old & !clear) | set;
            if new == old {
                return;
            }
            match self.0.cmpxchg(old, new, Full) {
                Ok(_) => return,
                Err(found) => old = found,
            }
        }
    }
}

/// An entry that is in the table, or was: it is confirmed, or stands in for one that is.
///
/// # Invariants
///
/// The reference count is at least 1 while it is borrowed.
#[repr(transparent)]
pub(crate) struct Conn(Fields);

// SAFETY: The count keeps the entry (nf_conntrack_get, nf_ct_put), and all instances are counted:
// those that are not yet are no `Conn`.
unsafe impl AlwaysRefCounted for Conn {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant there is a reference, so the count is not 0.
        unsafe { abi::ct_sync_conn_get(self.as_ptr()) }
    }

    unsafe fn dec_ref(conn: NonNull<Self>) {
        // SAFETY: By the caller's promise the reference is ours, and it is not used again.
        unsafe { abi::ct_sync_conn_put(conn.as_ptr().cast()) }
    }
}

// SAFETY: Any task may use and put an entry (nf_conntrack_core.c).
unsafe impl Send for Conn {}
// SAFETY: What is changed is changed atomically or under the entry's own lock.
unsafe impl Sync for Conn {}

impl Deref for Conn {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl Conn {
    /// Takes a pointer of C's for a borrowed entry.
    ///
    /// # Safety
    ///
    /// `ct` is an entry that is or was confirmed, and somebody keeps a reference to it during `'a`.
    pub(super) unsafe fn from_raw<'a>(ct: *mut abi::nf_conn) -> &'a Self {
        // SAFETY: By the caller's promise; `Self` is transparent.
        unsafe { &*ct.cast::<Self>() }
    }

    /// Takes a pointer of C's for a borrowed entry, if that is or was in the table.
    ///
    /// # Safety
    ///
    /// `ct` is an entry that is not freed during `'a`.
    pub(super) unsafe fn from_seen<'a>(ct: *mut abi::nf_conn) -> Option<&'a Self> {
        // SAFETY: By the caller's promise.
        let entry = unsafe { Fields::from_raw(ct) };
        // SAFETY: As above; a confirmed entry is counted, and whoever keeps it has a reference.
        entry.is_confirmed().then(|| unsafe { Self::from_raw(ct) })
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// As [`Conn::from_raw`], and the caller gives one reference away.
    pub(super) unsafe fn take(ct: NonNull<abi::nf_conn>) -> ARef<Self> {
        // SAFETY: By the caller's promise.
        unsafe { ARef::from_raw(ct.cast()) }
    }

    /// Whether it is being deleted.
    pub(crate) fn is_dying(&self) -> bool {
        self.status().has_number(abi::IPS_DYING_BIT)
    }

    /// Whether it is the twin of a connection, which the kernel makes for a moment when two packets
    /// race.
    pub(crate) fn is_clash(&self) -> bool {
        self.status().has_number(abi::IPS_NAT_CLASH_BIT)
    }

    /// Whether a flowtable or a device carries its packets, of which conntrack sees none then.
    pub(crate) fn is_offloaded(&self) -> bool {
        self.status().has_number(abi::IPS_OFFLOAD_BIT)
    }

    /// Whether another connection has announced it.
    pub(crate) fn is_expected(&self) -> bool {
        self.status().has_number(abi::IPS_EXPECTED_BIT)
    }

    /// Whether it is a template, which is not a connection.
    pub(crate) fn is_template(&self) -> bool {
        self.status().has_number(abi::IPS_TEMPLATE_BIT)
    }

    /// Takes it out of the table, unless somebody else does or a listener refuses the event of its
    /// end; returns whether that was done. It lives on as long as there are references.
    ///
    /// # Context
    ///
    /// Any, but with no lock of the table and of expectations: it takes them.
    pub(crate) fn delete(&self) -> bool {
        // SAFETY: By the type invariant somebody has a reference, and it is no stand-in, which is
        // in no list.
        self.is_confirmed() && unsafe { abi::nf_ct_delete(self.as_ptr(), 0, 0) }
    }
}
