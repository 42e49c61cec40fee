// SPDX-License-Identifier: GPL-2.0

//! What connections expect: other connections that they have announced (`struct
//! nf_conntrack_expect`).
//!
//! The list of a connection is read and changed under [`ExpectLock`], one lock for all, inside of
//! those of buckets and entries.
//!
//! # Teardown
//!
//! An expectation that was added belongs to the kernel: it ends with its time, its connection, its
//! helper, or by [`ExpectLock::retain`]. None is kept here.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

use kernel::str::CStrExt;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::rcu;
use kernel::types::NotThreadSafe;

use super::abi;
use super::conn::{time_stamp, Conn};
use super::helper::Helper;
use super::tuple::{self, Tuple};

/// What the kernel does with an expected connection when it comes (`struct nf_ct_helper_expectfn`).
///
/// It is registered in the RCU section, or known to an expectation in the list, during `'g`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function<'g>(usize, PhantomData<&'g ()>);

impl<'g> Function<'g> {
    /// None.
    pub(crate) const NONE: Self = Self(0, PhantomData);

    /// The function of that name, if this kernel has it. The name ends with NUL.
    ///
    /// # Context
    ///
    /// Process or softirq; takes the list of functions under RCU.
    pub(crate) fn find(name: &CStr, _rcu: &'g rcu::Guard) -> Option<Self> {
        // SAFETY: The name ends with NUL; under RCU.
        let function = unsafe { abi::ct_sync_function_find(name.as_char_ptr()) };
        (function != 0).then_some(Self(function, PhantomData))
    }

    /// Whether there is none.
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Its name, if it has one.
    pub(crate) fn name<'r>(self, _rcu: &'r rcu::Guard) -> Option<&'r CStr> {
        // SAFETY: Looks an address up in the list; under RCU.
        let name = unsafe { abi::ct_sync_function_name(self.0) };
        // SAFETY: A static text of the module that has registered it, which a grace period follows.
        NonNull::new(name.cast_mut()).map(|name| unsafe { CStr::from_char_ptr(name.as_ptr()) })
    }
}

/// All of an expectation that can be said in values.
///
/// # Invariants
///
/// Its function and its helper are there during `'g`.
#[derive(Clone, Copy)]
pub(crate) struct Expectable<'g>(abi::ct_sync_expect_fields, PhantomData<&'g ()>);

pub(crate) use super::abi::{
    NF_CT_EXPECT_INACTIVE as INACTIVE, NF_CT_EXPECT_PERMANENT as PERMANENT,
    NF_CT_EXPECT_USERSPACE as USERSPACE, NF_CT_MAX_EXPECT_CLASSES as CLASSES_MAX,
};

/// The flags that may be set here: all others are the kernel's affair.
const FLAGS: u32 = abi::NF_CT_EXPECT_PERMANENT | abi::NF_CT_EXPECT_INACTIVE | OWN_FLAG;

/// A flag that the kernel does not use, and that netlink does not show: for the owner of a list of
/// expectations.
pub(crate) const OWN_FLAG: u32 = 1 << 16;
const _: () = assert!(OWN_FLAG & (abi::NF_CT_EXPECT_MASK | abi::NF_CT_EXPECT_DEAD) == 0);

/// Where NAT sends an expected connection.
#[derive(Clone, Copy)]
pub(crate) struct ExpectedNat {
    /// The address, in network byte order.
    pub(crate) address: [u8; 16],
    /// The port.
    pub(crate) port: u16,
    /// Direction of the master that NAT follows: 0 original, 1 reply.
    pub(crate) direction: u8,
}

impl<'g> Expectable<'g> {
    /// Expects a connection with this tuple from the sources that the mask leaves open.
    pub(crate) fn new(
        tuple: &Tuple,
        source_mask: &[u8; 16],
        source_port_mask: u16,
        class: u8,
        flags: u32,
    ) -> Self {
        let fields = abi::ct_sync_expect_fields {
            tuple: tuple.0,
            mask: abi::nf_conntrack_tuple_mask {
                src_u3: tuple::address_of(source_mask),
                src_u: source_port_mask.to_be(),
            },
            class,
            flags: flags & FLAGS,
            ..Default::default()
        };
        Self(fields, PhantomData)
    }

    /// The same, with what becomes of the connection when it comes.
    pub(crate) fn with(
        self,
        function: Function<'g>,
        helper: Option<&'g Helper>,
        nat: ExpectedNat,
    ) -> Self {
        let fields = abi::ct_sync_expect_fields {
            saved_addr: tuple::address_of(&nat.address),
            saved_proto: nat.port.to_be(),
            // The kernel uses it as an index (nf_nat_sip_expected()).
            dir: nat.direction & 1,
            expectfn: function.0,
            assign_helper: helper.map_or(0, |helper| helper.as_ptr() as usize),
            ..self.0
        };
        // INVARIANT: By the lifetimes of both.
        Self(fields, PhantomData)
    }

    /// The tuple that is expected.
    pub(crate) fn tuple(&self) -> Tuple {
        Tuple(self.0.tuple)
    }

    /// Which bits of the source address and port matter.
    pub(crate) fn mask(&self) -> ([u8; 16], u16) {
        let mask = &self.0.mask;
        (tuple::bytes_of(mask.src_u3), u16::from_be(mask.src_u))
    }

    /// Where NAT sends it.
    pub(crate) fn nat(&self) -> ExpectedNat {
        ExpectedNat {
            address: tuple::bytes_of(self.0.saved_addr),
            port: u16::from_be(self.0.saved_proto),
            direction: self.0.dir,
        }
    }

    /// The helper's class of expectations.
    pub(crate) fn class(&self) -> u8 {
        self.0.class
    }

    /// `NF_CT_EXPECT_*`.
    pub(crate) fn flags(&self) -> u32 {
        self.0.flags
    }

    /// What is done with the connection.
    pub(crate) fn function(&self) -> Function<'g> {
        Function(self.0.expectfn, PhantomData)
    }

    /// The helper that the connection is to get.
    pub(crate) fn helper(&self) -> Option<&'g Helper> {
        let helper = self.0.assign_helper as *const Helper;
        // SAFETY: By the type invariant.
        unsafe { helper.as_ref() }
    }

    /// Whether both expect the same, whatever their flags.
    pub(crate) fn is_same(&self, other: &Expectable<'_>) -> bool {
        let without = |fields: &abi::ct_sync_expect_fields| abi::ct_sync_expect_fields {
            flags: 0,
            tuple: abi::nf_conntrack_tuple {
                dst_dir: 0,
                ..fields.tuple
            },
            ..*fields
        };
        without(&self.0) == without(&other.0)
    }
}

/// The lock of all expectations; bottom halves are off while it is held.
///
/// # Invariants
///
/// `nf_conntrack_expect_lock` is held by this task.
pub(crate) struct ExpectLock(NotThreadSafe);

impl ExpectLock {
    /// Takes the lock, inside of a bucket's and not inside of itself.
    pub(crate) fn lock() -> Self {
        // SAFETY: The drop unlocks.
        unsafe { abi::ct_sync_expect_lock() };
        // INVARIANT: Locked just now.
        Self(NotThreadSafe)
    }

    /// What a connection expects, the newest first; nothing of one without a helper.
    pub(crate) fn of<'l>(&'l self, conn: &'l Conn) -> impl Iterator<Item = Expected<'l>> {
        let help = conn.help();
        let first = match help.is_null() {
            true => core::ptr::null_mut(),
            // SAFETY: An extension of the entry; by the type invariant the list does not change.
            false => unsafe { abi::ct_sync_expect_first(help) },
        };
        let mut next = NonNull::new(first);
        core::iter::from_fn(move || {
            let this = next?;
            // SAFETY: In the list, which does not change but by `retain`, which ends only what was
            // given out before.
            next = NonNull::new(unsafe { abi::ct_sync_expect_next(this.as_ptr()) });
            Some(Expected(this, PhantomData))
        })
    }

    /// Ends what a connection expects and `keep` does not want to keep.
    pub(crate) fn retain(&mut self, conn: &Conn, keep: impl Fn(&Expected<'_>) -> bool) {
        for expected in self.of(conn).filter(|expected| !keep(expected)) {
            // SAFETY: In the list, with the lock; `self` is borrowed mutably, so nobody else has
            // it, and the iterator has gone on to the next one before.
            unsafe { abi::nf_ct_unlink_expect_report(expected.0.as_ptr(), 0, 0) }
        }
    }
}

impl Drop for ExpectLock {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { abi::ct_sync_expect_unlock() }
    }
}

/// One expectation in the list of a connection.
///
/// # Invariants
///
/// In a list, which does not change: the lock is held.
pub(crate) struct Expected<'l>(
    NonNull<abi::nf_conntrack_expect>,
    PhantomData<&'l ExpectLock>,
);

impl<'l> Expected<'l> {
    /// What it expects.
    pub(crate) fn read(&self) -> Expectable<'l> {
        let mut fields = abi::ct_sync_expect_fields::default();
        // SAFETY: By the type invariant; the result is ours to write.
        unsafe { abi::ct_sync_expect_read(self.0.as_ptr(), &raw mut fields) };
        // INVARIANT: A helper or a function that is unregistered ends the expectations that name
        // it, under the lock that is held, and goes away a grace period later.
        Expectable(fields, PhantomData)
    }

    /// Jiffies that it is waited for still, 0 if its time is up or it is dead.
    pub(crate) fn expires(&self) -> u32 {
        let left = self.timeout().load(Relaxed).wrapping_sub(time_stamp());
        let dead = self.flags().load(Relaxed) & abi::NF_CT_EXPECT_DEAD != 0;
        if dead || left > i32::MAX as u32 {
            0
        } else {
            left
        }
    }

    /// Gives it `jiffies` from now.
    pub(crate) fn set_expires(&self, jiffies: u32) {
        let timeout = time_stamp().wrapping_add(jiffies);
        self.timeout().store(timeout, Relaxed);
    }

    /// Sets those of its flags that may be set here.
    pub(crate) fn set_flags(&self, flags: u32) {
        let others = self.flags().load(Relaxed) & !FLAGS;
        self.flags().store(others | (flags & FLAGS), Relaxed);
    }

    fn flags(&self) -> &Atomic<u32> {
        // SAFETY: By the type invariant; read with READ_ONCE by the kernel, written under the lock.
        unsafe { Atomic::from_ptr(abi::ct_sync_expect_flags(self.0.as_ptr())) }
    }

    fn timeout(&self) -> &Atomic<u32> {
        // SAFETY: As above.
        unsafe { Atomic::from_ptr(abi::ct_sync_expect_timeout(self.0.as_ptr())) }
    }
}

/// An expectation that nobody else sees.
///
/// It counts neither its connection nor what it names, and what is unregistered ends only the
/// expectations that are in a list by then. So it lives in the RCU section that has found them, and
/// no longer than the connection.
///
/// # Invariants
///
/// One reference to it is ours. Its connection, its function and its helpers are there during `'g`.
pub(crate) struct NewExpectation<'g>(
    NonNull<abi::nf_conntrack_expect>,
    PhantomData<(&'g Conn, &'g rcu::Guard)>,
);

impl<'g> NewExpectation<'g> {
    /// Makes one of a connection; `None` without memory, and if the connection has no helper with
    /// such a class.
    pub(crate) fn new(conn: &'g Conn, what: &Expectable<'g>, rcu: &'g rcu::Guard) -> Option<Self> {
        let class_max = conn.helper(rcu)?.class_max();
        if u32::from(what.class()) > class_max {
            return None;
        }
        // SAFETY: The connection is alive; what expects ends with it.
        let exp = NonNull::new(unsafe { abi::nf_ct_expect_alloc(conn.as_ptr()) })?;
        // SAFETY: Just made; the fields are only read, and what they name is there.
        unsafe { abi::ct_sync_expect_init(exp.as_ptr(), &raw const what.0) };
        // INVARIANT: `nf_ct_expect_alloc()` gives one; all else by the lifetimes of the parameters.
        Some(Self(exp, PhantomData))
    }

    /// Has the kernel expect it, for `jiffies`; false if it refuses.
    pub(crate) fn add(self, jiffies: u32) -> bool {
        // SAFETY: By the type invariant: it ends with what it names from now on. A caller with the
        // lock would wait for ever.
        if unsafe { abi::nf_ct_expect_related_report(self.0.as_ptr(), 0, 0, 0) } < 0 {
            return false;
        }
        let _lock = ExpectLock::lock();
        Expected(self.0, PhantomData).set_expires(jiffies);
        true
    }
}

impl Drop for NewExpectation<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { abi::nf_ct_expect_put(self.0.as_ptr()) }
    }
}
