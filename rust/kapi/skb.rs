// SPDX-License-Identifier: GPL-2.0

//! Packets, as hooks are given them (`struct sk_buff`).

use core::marker::PhantomPinned;

use kernel::types::Opaque;

use super::abi;

pub(crate) use super::abi::{ETH_P_IP, ETH_P_IPV6};

/// A packet.
///
/// # Invariants
///
/// A `struct sk_buff` with a network header, which is not freed while it is borrowed.
#[repr(transparent)]
pub(crate) struct Skb(Opaque<abi::sk_buff>, PhantomPinned);

impl Skb {
    /// Takes a pointer of C's for a borrowed packet.
    ///
    /// # Safety
    ///
    /// `skb` is a packet that is not freed during `'a`.
    pub(super) unsafe fn from_raw<'a>(skb: *mut abi::sk_buff) -> &'a Self {
        // SAFETY: By the caller's promise; `Self` is transparent.
        unsafe { &*skb.cast::<Self>() }
    }

    fn as_ptr(&self) -> *const abi::sk_buff {
        core::ptr::from_ref(self).cast()
    }

    /// The protocol of the network layer: `ETH_P_*`.
    pub(crate) fn protocol(&self) -> u16 {
        // SAFETY: By the type invariant.
        unsafe { abi::ct_sync_skb_protocol(self.as_ptr()) }
    }

    /// Bytes of the packet, `offset` behind the beginning of its network header; `None` if it has
    /// not as many.
    pub(crate) fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        // SAFETY: By the type invariant; the result is ours to write and as long as said.
        let copied =
            unsafe { abi::ct_sync_skb_copy(self.as_ptr(), offset, bytes.as_mut_ptr(), N as u32) };
        copied.then_some(bytes)
    }
}
