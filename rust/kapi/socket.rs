// SPDX-License-Identifier: GPL-2.0

//! The replication socket: UDP, bound to one interface, member of a multicast group if there is one.
//!
//! It makes no callbacks. Opening and dropping it take rtnl.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use kernel::prelude::*;

use super::netns::Net;
use super::thread::Stop;
use crate::proto::Address;
use crate::transport::Transport;

extern "C" {
    fn ct_sync_socket_open(
        net: *mut c_void,
        ifindex: u32,
        family: u8,
        group: *const RawAddress,
        peers: u32,
        port: u16,
    ) -> *mut c_void;
    fn ct_sync_socket_release(sock: *mut c_void);
    fn ct_sync_socket_send(
        sock: *mut c_void,
        ifindex: u32,
        to: *const RawAddress,
        port: u16,
        frame: *const u8,
        length: usize,
        wait: bool,
    ) -> i32;
    fn ct_sync_socket_receive(
        sock: *mut c_void,
        frame: *mut u8,
        length_max: usize,
        from: *mut RawAddress,
        ttl: *mut i32,
    ) -> i32;
    fn ct_sync_socket_wait(sock: *mut c_void);
}

/// The layout of `struct ct_sync_address`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawAddress {
    family: u8,
    bytes: [u8; 16],
}

impl From<&Address> for RawAddress {
    fn from(address: &Address) -> Self {
        Self {
            family: address.family,
            bytes: address.bytes,
        }
    }
}

/// A datagram that was received.
pub(crate) struct Datagram {
    /// Its length; more than the buffer's if it did not fit.
    pub(crate) length: usize,
    /// Who sent it.
    pub(crate) from: Address,
    /// Its TTL or hop limit, `None` if the kernel did not say.
    pub(crate) hop_limit: Option<u8>,
}

/// An open socket; released when dropped.
///
/// # Invariants
///
/// `sock` is a `struct socket` that `ct_sync_socket_open` returned.
pub(crate) struct Socket {
    sock: NonNull<c_void>,
    ifindex: u32,
    port: u16,
}

// SAFETY: The socket API takes the socket's own lock (net/socket.c): any task may call it.
unsafe impl Send for Socket {}
// SAFETY: As above.
unsafe impl Sync for Socket {}

impl Socket {
    /// Opens a socket on interface `ifindex`, on UDP port `port`, as a member of the group if
    /// there is one.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another socket has the port, `ENODEV` if the interface is gone, `EINVAL`
    /// if the group is no multicast address.
    pub(crate) fn open(net: Net, ifindex: u32, transport: &Transport, port: u16) -> Result<Self> {
        let group = transport.joined().map(RawAddress::from);
        let peers = transport.destinations().len();
        // SAFETY: By the invariant of `Net`; the address, if there is one, is only read.
        let sock = unsafe {
            ct_sync_socket_open(
                net.as_ptr(),
                ifindex,
                transport.family(),
                group.as_ref().map_or(ptr::null(), ptr::from_ref),
                u32::try_from(peers).map_err(|_| EINVAL)?,
                port,
            )
        };
        let sock = kernel::error::from_err_ptr(sock)?;
        // INVARIANT: Just opened.
        Ok(Self {
            sock: NonNull::new(sock).ok_or(ENOMEM)?,
            ifindex,
            port,
        })
    }

    /// Sends a frame to a group or to another node; to this node itself nothing is sent.
    ///
    /// # Errors
    ///
    /// What `sendmsg(2)` says, `EAGAIN` if the interface takes nothing: now, or with `wait` for
    /// 100 ms.
    pub(crate) fn send(&self, frame: &[u8], to: &Address, wait: bool) -> Result {
        let to = RawAddress::from(to);
        // SAFETY: By the type invariant; address and frame are only read.
        let sent = unsafe {
            ct_sync_socket_send(
                self.sock.as_ptr(),
                self.ifindex,
                &raw const to,
                self.port,
                frame.as_ptr(),
                frame.len(),
                wait,
            )
        };
        kernel::error::to_result(sent.min(0))
    }

    /// Takes a datagram that waits, `None` when there is none.
    ///
    /// # Errors
    ///
    /// What `recvmsg(2)` says.
    pub(crate) fn receive(&self, frame: &mut [u8]) -> Result<Option<Datagram>> {
        let mut from = RawAddress::default();
        let mut ttl = -1;
        // SAFETY: By the type invariant; all results are ours to write.
        let length = unsafe {
            ct_sync_socket_receive(
                self.sock.as_ptr(),
                frame.as_mut_ptr(),
                frame.len(),
                &raw mut from,
                &raw mut ttl,
            )
        };
        if length == EAGAIN.to_errno() {
            return Ok(None);
        }
        kernel::error::to_result(length.min(0))?;
        Ok(Some(Datagram {
            length: usize::try_from(length).unwrap_or(0),
            from: Address {
                family: from.family,
                bytes: from.bytes,
            },
            hop_limit: u8::try_from(ttl).ok(),
        }))
    }

    /// Waits for a datagram, or until the thread is to stop.
    pub(crate) fn wait(&self, _stop: &Stop) {
        // SAFETY: By the type invariant; `Stop` proves that this is a kthread.
        unsafe { ct_sync_socket_wait(self.sock.as_ptr()) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used again.
        unsafe { ct_sync_socket_release(self.sock.as_ptr()) }
    }
}
