// SPDX-License-Identifier: GPL-2.0

//! Entries that nobody else sees yet: they are built step by step, and [`NewConn::confirm`]
//! consumes them.
//!
//! What may only be done before an entry is confirmed (extensions, helper, master, NAT) are methods
//! of these types and of no others, so the compiler sees that none is done later. The order is that
//! of ctnetlink_create_conntrack(), and a type for each step: master and helper first
//! ([`NewConn`]), since NAT asks for both; NAT next, since it hashes the source ([`Translated`]);
//! then extensions and state.
//!
//! # Teardown
//!
//! One that is dropped is freed, with its references to its master, helper and timeout policy.

use core::ops::Deref;
use core::ptr::NonNull;

use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;

use super::abi;
use super::conn::{Conn, Fields};
use super::helper::Helper;
use super::net::Net;
use super::timeout::SharedPolicy;
use super::tuple::{Direction, Tuple, Zone};

/// Why an entry cannot be what it was to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The kernel knows no inverse of the tuple.
    NoInverse,
    /// The table is full, or there is no memory for an entry.
    NoEntry,
    /// There is no memory for what it is to have.
    NoMemory,
    /// NAT has made another mapping.
    Diverged,
    /// An entry with one of the tuples is there, or the chains of its buckets are too long.
    Busy,
}

/// An entry without NAT yet.
///
/// # Invariants
///
/// A `struct nf_conn` of `nf_conntrack_alloc()` that only this points to, but for NAT's list by
/// source. Its count is 0; a master is its own reference.
pub(crate) struct NewConn(NonNull<abi::nf_conn>);

impl NewConn {
    /// Makes an entry with this original direction, and the plain inverse as its reply.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoInverse`] and [`Refusal::NoEntry`].
    ///
    /// # Context
    ///
    /// Process.
    pub(crate) fn new(net: Net, zone: Zone, original: &Tuple) -> Result<Self, Refusal> {
        Self::allocate(net, zone, original, bindings::GFP_KERNEL)
    }

    /// The same in an RCU section, which this is the proof of.
    ///
    /// # Errors
    ///
    /// As [`NewConn::new`].
    pub(crate) fn new_atomic(
        net: Net,
        zone: Zone,
        original: &Tuple,
        _rcu: &rcu::Guard,
    ) -> Result<Self, Refusal> {
        Self::allocate(net, zone, original, bindings::GFP_ATOMIC)
    }

    fn allocate(net: Net, zone: Zone, original: &Tuple, gfp: u32) -> Result<Self, Refusal> {
        let inverse = original.inverse().ok_or(Refusal::NoInverse)?;
        let zone = zone.raw();
        // SAFETY: By the invariant of `Net`; zone and tuples are only read.
        let ct = unsafe {
            abi::nf_conntrack_alloc(
                net.raw(),
                &raw const zone,
                &raw const original.0,
                &raw const inverse.0,
                gfp,
            )
        };
        let ct = kernel::error::from_err_ptr(ct).map_err(|_| Refusal::NoEntry)?;
        // INVARIANT: Just made.
        Ok(Self(NonNull::new(ct).ok_or(Refusal::NoEntry)?))
    }

    /// Ties it to the connection that has announced it. `IPS_EXPECTED` without a master crashes
    /// ctnetlink, so both come together.
    pub(crate) fn set_master(&mut self, master: ARef<Conn>) {
        if self.master().is_some() {
            return;
        }
        self.status().set_number(abi::IPS_EXPECTED_BIT);
        // SAFETY: By the type invariant.
        let place = unsafe { abi::ct_sync_conn_master(self.0.as_ptr()) };
        // SAFETY: A field of the entry, which nobody else reads; the reference is the entry's from
        // now on.
        unsafe { place.write(ARef::into_raw(master).as_ptr().cast()) };
    }

    /// Gives it a helper, unless that is just being unregistered.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(crate) fn set_helper(&mut self, helper: &Helper, _rcu: &rcu::Guard) -> Result<(), Refusal> {
        // SAFETY: By the type invariant.
        let help = unsafe { abi::nf_ct_helper_ext_add(self.0.as_ptr(), bindings::GFP_ATOMIC) };
        if help.is_null() {
            return Err(Refusal::NoMemory);
        }
        // SAFETY: Just added; the helper is there under RCU, and its count goes to the entry.
        unsafe { abi::ct_sync_help_set_helper(help, helper.as_ptr()) };
        Ok(())
    }

    /// Sets NAT up so that the reply direction becomes `reply`, of which it is a plain inverse
    /// where there is none. NAT decides about tuples that are taken; whatever it decides, only this
    /// mapping is accepted.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`] and [`Refusal::Diverged`].
    pub(crate) fn translate(self, reply: &Tuple, has_nat: bool) -> Result<Translated, Refusal> {
        if has_nat {
            let target = reply.inverse().ok_or(Refusal::Diverged)?;
            // SAFETY: By the type invariant.
            if !unsafe { abi::ct_sync_add_nat(self.0.as_ptr()) } {
                return Err(Refusal::NoMemory);
            }
            self.map(&target, abi::NF_NAT_MANIP_DST)?;
            self.map(&target, abi::NF_NAT_MANIP_SRC)?;
        }
        match self.tuple(Direction::Reply) == *reply {
            true => Ok(Translated(self)),
            false => Err(Refusal::Diverged),
        }
    }

    /// Maps one side exactly: a range of one address and, where there is one, one port.
    fn map(&self, target: &Tuple, side: u32) -> Result<(), Refusal> {
        let icmp = matches!(target.protocol(), abi::IPPROTO_ICMP | abi::IPPROTO_ICMPV6);
        let source = side == abi::NF_NAT_MANIP_SRC;
        let (address, port) = match source {
            true => (target.0.src_u3, target.0.src_u),
            false => (target.0.dst_u3, target.0.dst_u),
        };
        // The destination of ICMP is its type and code.
        let flags = match icmp && !source {
            true => abi::NF_NAT_RANGE_MAP_IPS,
            false => abi::NF_NAT_RANGE_MAP_IPS | abi::NF_NAT_RANGE_PROTO_SPECIFIED,
        };
        let range = abi::nf_nat_range2 {
            flags,
            min_addr: address,
            max_addr: address,
            min_proto: port,
            max_proto: port,
            base_proto: 0,
        };
        // SAFETY: By the type invariant; the range is only read.
        let verdict = unsafe { abi::nf_nat_setup_info(self.0.as_ptr(), &raw const range, side) };
        match verdict {
            abi::NF_ACCEPT => Ok(()),
            _ => Err(Refusal::Diverged),
        }
    }

    /// Makes of it an entry that is in no table, as a master for others: it ends with the last of
    /// them.
    pub(crate) fn stand_in(self) -> ARef<Conn> {
        self.counted(1)
    }

    /// Gives it away with one of `count` references.
    fn counted(self, count: i32) -> ARef<Conn> {
        // SAFETY: By the type invariant nobody has a reference yet.
        unsafe { abi::ct_sync_conn_set_count(self.0.as_ptr(), count) };
        self.given_away()
    }

    /// Gives the reference away that the kernel has made.
    fn given_away(self) -> ARef<Conn> {
        let ct = core::mem::ManuallyDrop::new(self).0;
        // SAFETY: It has a reference, which is the caller's from now on.
        unsafe { Conn::take(ct) }
    }
}

impl Deref for NewConn {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        // SAFETY: By the type invariant; it is freed by the drop only.
        unsafe { Fields::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for NewConn {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        let master = unsafe { *abi::ct_sync_conn_master(self.0.as_ptr()) };
        if let Some(master) = NonNull::new(master) {
            // SAFETY: By the type invariant the reference is the entry's, which is freed now.
            drop(unsafe { Conn::take(master) });
        }
        // SAFETY: By the type invariant; nobody has seen it.
        unsafe { abi::nf_conntrack_free(self.0.as_ptr()) }
    }
}

/// An entry whose tuples are what they are to be: extensions and state are due.
pub(crate) struct Translated(NewConn);

impl Translated {
    fn as_ptr(&self) -> *mut abi::nf_conn {
        self.0 .0.as_ptr()
    }

    /// Makes it report events, all of them.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoMemory`].
    pub(crate) fn add_events(&mut self) -> Result<(), Refusal> {
        // SAFETY: By the type invariant of `NewConn`; so below.
        match unsafe { abi::ct_sync_add_ecache(self.as_ptr()) } {
            true => Ok(()),
            false => Err(Refusal::NoMemory),
        }
    }

    /// Makes room for changes of sequence numbers; false without memory.
    pub(crate) fn add_seqadj(&mut self) -> bool {
        // SAFETY: As above.
        unsafe { abi::ct_sync_add_seqadj(self.as_ptr()) }
    }

    /// Makes room for labels; false without memory.
    pub(crate) fn add_labels(&mut self) -> bool {
        // SAFETY: As above.
        unsafe { abi::ct_sync_add_labels(self.as_ptr()) }
    }

    /// Makes room for counters where the namespace counts, or `always`; false without memory.
    pub(crate) fn add_counters(&mut self, always: bool) -> bool {
        // SAFETY: As above.
        unsafe { abi::ct_sync_add_acct(self.as_ptr(), always) }
    }

    /// Makes room for the start where the namespace records it, or `always`; false without memory.
    pub(crate) fn add_start(&mut self, always: bool) -> bool {
        // SAFETY: As above.
        if !unsafe { abi::ct_sync_add_tstamp(self.as_ptr(), always) } {
            return false;
        }
        // SAFETY: Reads a clock.
        self.set_started_ns(unsafe { abi::ct_sync_real_ns() });
        true
    }

    /// Makes it one of the SYN proxy's; false without memory.
    pub(crate) fn add_synproxy(&mut self) -> bool {
        // SAFETY: As above.
        unsafe { abi::ct_sync_add_synproxy(self.as_ptr()) }
    }

    /// Gives it a timeout policy; false without memory.
    pub(crate) fn add_policy(&mut self, policy: &SharedPolicy) -> bool {
        // SAFETY: As above; the policy has a reference, and the entry takes one of its own.
        unsafe { abi::ct_sync_add_policy(self.as_ptr(), policy.as_ptr()) }
    }

    /// Says what the tracker of GRE sets at the first packet of a flow and obeys from then on, in
    /// jiffies.
    pub(crate) fn set_gre_timeouts(&mut self, unreplied: u32, replied: u32) {
        // SAFETY: As above.
        let gre = unsafe { abi::ct_sync_conn_gre(self.as_ptr()) };
        if !gre.is_null() {
            // SAFETY: A field of the entry, which nobody else sees.
            unsafe { ((*gre).timeout, (*gre).stream_timeout) = (unreplied, replied) };
        }
    }

    /// Confirms it: from now on it is in the table, if none is there with one of its tuples.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`]: then it is gone.
    pub(crate) fn confirm(self) -> Result<ARef<Conn>, Refusal> {
        self.status().set_number(abi::IPS_CONFIRMED_BIT);
        // SAFETY: By the type invariant of `NewConn`; all that it is to have it has.
        if unsafe { abi::nf_conntrack_hash_check_insert(self.as_ptr()) } < 0 {
            return Err(Refusal::Busy);
        }
        // One of the two references that it has now is the table's.
        Ok(self.0.given_away())
    }
}

impl Deref for Translated {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}
