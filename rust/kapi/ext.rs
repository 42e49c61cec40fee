// SPDX-License-Identifier: GPL-2.0

//! What conntrack keeps in extensions of an entry, and security contexts.
//!
//! An extension is added only before an entry can be seen ([`super::new_conn`]) and lives as long
//! as the entry. Each accessor copies its words one by one, as ctnetlink does: they belong together
//! only as far as their writers see to it.

use kernel::prelude::*;
use kernel::str::CStrExt;
use kernel::sync::atomic::{Atomic, Relaxed};

use super::abi;
use super::conn::{Conn, Fields};

/// Packets and bytes of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

/// What the SYN proxy knows of a connection that it has opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Synproxy {
    /// Its first sequence number.
    pub(crate) isn: u32,
    /// Its first timestamp.
    pub(crate) its: u32,
    /// The distance of timestamps.
    pub(crate) tsoff: u32,
}

impl Fields {
    /// Labels: label `n` is bit `n % 64` of word `n / 64`; `None` if there is no room for any.
    pub(crate) fn labels(&self) -> Option<[u64; 2]> {
        // SAFETY: By the type invariant.
        let labels = unsafe { abi::ct_sync_labels(self.as_ptr()).as_ref() }?;
        let read = |word: &usize| {
            // SAFETY: A word of the extension, which is changed by single stores.
            unsafe { core::ptr::from_ref(word).read_volatile() as u64 }
        };
        let [low, high] = &labels.bits;
        Some([read(low), read(high)])
    }

    /// Sets the labels, as far as there is room.
    pub(crate) fn set_labels(&self, words: [u64; 2]) {
        // SAFETY: By the type invariant.
        let labels = unsafe { abi::ct_sync_labels(self.as_ptr()) };
        if labels.is_null() {
            return;
        }
        for (i, word) in words.into_iter().enumerate() {
            // SAFETY: A word of the extension, which others change by single stores too.
            unsafe { (&raw mut (*labels).bits[i]).write_volatile(word as usize) };
        }
    }

    /// When the connection began, in nanoseconds since 1970; `None` where that is not recorded.
    pub(crate) fn started_ns(&self) -> Option<u64> {
        // SAFETY: By the type invariant.
        let tstamp = unsafe { abi::ct_sync_tstamp(self.as_ptr()) };
        // SAFETY: A word of the extension, which is changed by single stores.
        (!tstamp.is_null()).then(|| unsafe { (&raw const (*tstamp).start).read_volatile() })
    }

    /// Says when it began, where that is recorded.
    pub(crate) fn set_started_ns(&self, started_ns: u64) {
        // SAFETY: By the type invariant.
        let tstamp = unsafe { abi::ct_sync_tstamp(self.as_ptr()) };
        if !tstamp.is_null() {
            // SAFETY: A word of the extension, which is changed by single stores.
            unsafe { (&raw mut (*tstamp).start).write_volatile(started_ns) };
        }
    }

    /// Packets and bytes of both directions; `None` where they are not counted.
    pub(crate) fn counters(&self) -> Option<[Count; 2]> {
        let words = self.counter_words()?;
        Some(words.map(|(packets, bytes)| Count {
            packets: packets.load(Relaxed) as u64,
            bytes: bytes.load(Relaxed) as u64,
        }))
    }

    /// Sets the counters, where there are any. Packets that pass meanwhile may go uncounted.
    pub(crate) fn set_counters(&self, counts: [Count; 2]) {
        for ((packets, bytes), count) in self.counter_words().into_iter().flatten().zip(counts) {
            packets.store(count.packets as i64, Relaxed);
            bytes.store(count.bytes as i64, Relaxed);
        }
    }

    fn counter_words(&self) -> Option<[(&Atomic<i64>, &Atomic<i64>); 2]> {
        // SAFETY: By the type invariant.
        let acct = unsafe { abi::ct_sync_acct(self.as_ptr()) };
        if acct.is_null() {
            return None;
        }
        Some([0, 1].map(|i| {
            // SAFETY: An `atomic64_t` of the extension.
            let packets = unsafe { Atomic::from_ptr(&raw mut (*acct).counter[i].packets) };
            // SAFETY: As above.
            let bytes = unsafe { Atomic::from_ptr(&raw mut (*acct).counter[i].bytes) };
            (packets, bytes)
        }))
    }

    /// The index of the interface to which the kernel has tied a masqueraded connection: it ends the
    /// connection with that interface, or with its address. 0 is none.
    pub(crate) fn masquerade(&self) -> u32 {
        self.masquerade_word()
            .map_or(0, |word| word.load(Relaxed) as u32)
    }

    /// Ties a masqueraded connection to an interface, or to none.
    pub(crate) fn set_masquerade(&self, ifindex: u32) {
        if let Some(word) = self.masquerade_word() {
            word.store(ifindex as i32, Relaxed);
        }
    }

    fn masquerade_word(&self) -> Option<&Atomic<i32>> {
        // SAFETY: By the type invariant.
        let word = unsafe { abi::ct_sync_masquerade(self.as_ptr()) };
        // SAFETY: A word of the extension, if there is one, which is changed by single stores.
        (!word.is_null()).then(|| unsafe { Atomic::from_ptr(word) })
    }

    /// What the SYN proxy knows of it, if it has opened the connection.
    pub(crate) fn synproxy(&self) -> Option<Synproxy> {
        // SAFETY: By the type invariant.
        let synproxy = unsafe { abi::ct_sync_synproxy(self.as_ptr()) };
        if synproxy.is_null() {
            return None;
        }
        // SAFETY: The extension is there as long as the entry, and changes by single stores.
        let synproxy = unsafe { synproxy.read_volatile() };
        Some(Synproxy {
            isn: synproxy.isn,
            its: synproxy.its,
            tsoff: synproxy.tsoff,
        })
    }

    /// Says what the SYN proxy knows, in an entry of its own.
    pub(crate) fn set_synproxy(&self, value: Synproxy) {
        // SAFETY: By the type invariant.
        let synproxy = unsafe { abi::ct_sync_synproxy(self.as_ptr()) };
        if synproxy.is_null() {
            return;
        }
        let raw = abi::nf_conn_synproxy {
            isn: value.isn,
            its: value.its,
            tsoff: value.tsoff,
        };
        // SAFETY: The extension is there as long as the entry; the proxy too stores word by word.
        unsafe { synproxy.write_volatile(raw) };
    }
}

impl Conn {
    /// Whether it does not report all events: it was made while nobody listened, or a rule
    /// (`ct event set`) restricts it.
    pub(crate) fn is_mute(&self) -> bool {
        // SAFETY: By the type invariant of `Fields`.
        let mask = unsafe { abi::ct_sync_ecache_mask(self.as_ptr()) };
        mask != u32::from(u16::MAX)
    }
}

/// Whether this kernel has a SYN proxy.
pub(crate) fn has_synproxy() -> bool {
    // SAFETY: Returns a constant.
    unsafe { abi::ct_sync_has_synproxy() }
}

/// Writes the security context of a mark, without a NUL, into `context`; returns its length.
///
/// # Errors
///
/// `ENAMETOOLONG`, and what the security module says.
pub(crate) fn secctx(secmark: u32, context: &mut [u8]) -> Result<usize> {
    // SAFETY: The buffer is ours and as long as said.
    let length = unsafe { abi::ct_sync_secctx(secmark, context.as_mut_ptr(), context.len()) };
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        Err(_) => Err(Error::from_errno(
            i32::try_from(length).unwrap_or(EINVAL.to_errno()),
        )),
    }
}

/// The security mark that this node has for a context, which ends with a NUL.
///
/// # Errors
///
/// `ENOTSUPP` in a kernel whose entries have no such mark, and what the security module says: that
/// it does not know the context.
///
/// # Context
///
/// May sleep.
pub(crate) fn secmark(context: &CStr) -> Result<u32> {
    // SAFETY: Returns a constant.
    if !unsafe { abi::ct_sync_has_secmark() } {
        return Err(ENOTSUPP);
    }
    let length = u32::try_from(context.to_bytes().len()).map_err(|_| EINVAL)?;
    let mut secmark = 0;
    // SAFETY: The text ends with a NUL behind `length` bytes; the result is ours to write.
    let err =
        unsafe { abi::security_secctx_to_secid(context.as_char_ptr(), length, &raw mut secmark) };
    kernel::error::to_result(err)?;
    Ok(secmark)
}
