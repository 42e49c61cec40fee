// SPDX-License-Identifier: GPL-2.0

//! What the trackers of protocols keep in an entry. It is under the entry's lock, which
//! [`Fields::lock`] takes.

use core::marker::PhantomData;

use kernel::types::NotThreadSafe;

use super::abi;
use super::conn::Fields;

pub(crate) use super::abi::ip_ct_tcp_state as TcpState;

/// Of TCP: `enum tcp_conntrack` and `IP_CT_TCP_FLAG_*`.
pub(crate) mod tcp {
    pub(crate) use super::abi::{
        IP_CT_EXP_CHALLENGE_ACK as EXP_CHALLENGE_ACK, IP_CT_TCP_FLAG_BE_LIBERAL as FLAG_BE_LIBERAL,
        IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED as FLAG_DATA_UNACKNOWLEDGED,
        IP_CT_TCP_FLAG_MAXACK_SET as FLAG_MAXACK_SET, TCP_CONNTRACK_ESTABLISHED as ESTABLISHED,
        TCP_CONNTRACK_MAX as MAX, TCP_CONNTRACK_SYN_SENT as SYN_SENT,
        TCP_CONNTRACK_SYN_SENT2 as SYN_SENT2,
    };
}

/// Of SCTP: `enum sctp_conntrack`.
pub(crate) mod sctp {
    pub(crate) use super::abi::{
        SCTP_CONNTRACK_ESTABLISHED as ESTABLISHED, SCTP_CONNTRACK_MAX as MAX,
    };
}

/// Of flows that are one way or both: the indices of their timeouts. Those of GRE are the same
/// (`enum udp_conntrack`, `enum gre_conntrack`).
pub(crate) mod flow {
    pub(crate) use super::abi::{UDP_CT_REPLIED as REPLIED, UDP_CT_UNREPLIED as UNREPLIED};

    const _: () = {
        assert!(UNREPLIED == super::abi::GRE_CT_UNREPLIED);
        assert!(REPLIED == super::abi::GRE_CT_REPLIED);
    };
}

/// The IP protocols that conntrack has a tracker for.
pub(crate) mod protocol {
    pub(crate) use super::abi::{
        IPPROTO_GRE as GRE, IPPROTO_SCTP as SCTP, IPPROTO_TCP as TCP, IPPROTO_UDP as UDP,
    };
}

/// Whether this kernel tracks SCTP.
pub(crate) fn tracks_sctp() -> bool {
    // SAFETY: Returns a constant.
    unsafe { abi::ct_sync_tracks_sctp() }
}

/// The lock of an entry; bottom halves are off while it is held. Innermost but for the lock of
/// expectations.
///
/// # Invariants
///
/// `nf_conn.lock` of `entry` is held by this task, with bottom halves off.
pub(crate) struct Locked<'a> {
    entry: &'a Fields,
    _on_this_cpu: NotThreadSafe,
}

impl Fields {
    /// Takes the lock of the entry.
    pub(crate) fn lock(&self) -> Locked<'_> {
        // SAFETY: By the type invariant; the drop unlocks. Nobody holds two of them.
        unsafe { abi::ct_sync_conn_lock(self.as_ptr()) };
        // INVARIANT: Locked just now.
        Locked {
            entry: self,
            _on_this_cpu: PhantomData,
        }
    }

    /// State of a TCP connection as a hint, without the lock (`enum tcp_conntrack`).
    pub(crate) fn tcp_state_now(&self) -> u8 {
        // SAFETY: By the type invariant of `Fields`.
        let tcp = unsafe { abi::ct_sync_conn_tcp(self.as_ptr()) };
        // SAFETY: A byte of the entry; a read of one that changes gives one of both values.
        unsafe { (&raw const (*tcp).state).read_volatile() }
    }

    /// State of an SCTP association as a hint, without the lock; `None` in a kernel that does not
    /// track it.
    pub(crate) fn sctp_state_now(&self) -> Option<u32> {
        // SAFETY: By the type invariant of `Fields`.
        let sctp = unsafe { abi::ct_sync_conn_sctp(self.as_ptr()) };
        // SAFETY: A word of the entry, if there is one; see above.
        (!sctp.is_null()).then(|| unsafe { (&raw const (*sctp).state).read_volatile() })
    }

    /// The timeouts that the tracker of GRE keeps in the entry, in jiffies: before and after a
    /// reply.
    pub(crate) fn gre_timeouts(&self) -> Option<[u32; 2]> {
        // SAFETY: By the type invariant of `Fields`.
        let gre = unsafe { abi::ct_sync_conn_gre(self.as_ptr()) };
        // SAFETY: Words of the entry, if there are any; they change with the helper of PPTP only.
        (!gre.is_null()).then(|| unsafe { [(*gre).timeout, (*gre).stream_timeout] })
    }
}

impl Locked<'_> {
    /// What is known of a TCP connection. Of no meaning for other protocols, which have something
    /// else in the same place.
    pub(crate) fn tcp(&mut self) -> &mut abi::ip_ct_tcp {
        // SAFETY: By the type invariant of `Fields`.
        let tcp = unsafe { abi::ct_sync_conn_tcp(self.entry.as_ptr()) };
        // SAFETY: A field of the entry; the lock is ours, and whoever changes it holds it.
        unsafe { &mut *tcp }
    }

    /// What is known of an SCTP association, in a kernel that tracks it.
    pub(crate) fn sctp(&mut self) -> Option<&mut abi::ip_ct_sctp> {
        // SAFETY: By the type invariant of `Fields`.
        let sctp = unsafe { abi::ct_sync_conn_sctp(self.entry.as_ptr()) };
        // SAFETY: A field of the entry, if it is there; see `tcp`.
        unsafe { sctp.as_mut() }
    }

    /// How the sequence numbers of both directions are changed, where the entry has room for that.
    pub(crate) fn seqadj(&mut self) -> Option<&mut [abi::nf_ct_seqadj; 2]> {
        // SAFETY: By the type invariant of `Fields`.
        let seqadj = unsafe { abi::ct_sync_seqadj(self.entry.as_ptr()) };
        // SAFETY: An extension of the entry, if it is there; see `tcp`.
        unsafe { seqadj.as_mut() }.map(|seqadj| &mut seqadj.seq)
    }

    /// The entry.
    pub(crate) fn entry(&self) -> &Fields {
        self.entry
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is held.
        unsafe { abi::ct_sync_conn_unlock(self.entry.as_ptr()) }
    }
}
