// SPDX-License-Identifier: GPL-2.0

//! A datagram socket of the kernel: UDP, bound to one interface, member of a multicast group if
//! there is one.
//!
//! # Teardown
//!
//! It makes no callbacks. Opening and dropping it take rtnl.

use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::rcu;

use super::abi;
use super::net::Net;
use super::thread::Stop;
use super::tuple::{address_of, bytes_of};
use crate::proto::entry::{FAMILY_V4, FAMILY_V6};
use crate::proto::Address;

/// Receive buffer in bytes, as SO_RCVBUFFORCE counts them: about 4000 full frames wait here while
/// the receiver is busy.
const RECEIVE_BUFFER: u32 = 8 << 20;
/// Send buffer in bytes: what leaves in one burst.
const SEND_BUFFER: u32 = 1 << 20;
/// What may wait for the neighbour discovery of one peer that is not there (the kernel's default of
/// unres_qlen_bytes, rounded up): it must not use up what the others need.
const UNRESOLVED_BUFFER: u32 = 256 << 10;
/// A send that the device does not take is given up after this long.
const SEND_TIMEOUT_MS: u32 = 100;
/// On-link proof: no router leaves this hop limit on a datagram (RFC 5082).
const HOP_LIMIT: u32 = 255;

/// An option of the socket API: level, number and value.
type Setting = (u32, u32, u32);

const OPTIONS_V4: [Setting; 4] = [
    (abi::SOL_IP, abi::IP_TTL, HOP_LIMIT),
    (abi::SOL_IP, abi::IP_MULTICAST_ALL, 0),
    (abi::SOL_IP, abi::IP_MTU_DISCOVER, abi::IP_PMTUDISC_PROBE),
    (abi::SOL_IP, abi::IP_RECVTTL, 1),
];
const OPTIONS_V6: [Setting; 4] = [
    (abi::SOL_IPV6, abi::IPV6_UNICAST_HOPS, HOP_LIMIT),
    (abi::SOL_IPV6, abi::IPV6_MULTICAST_ALL, 0),
    (
        abi::SOL_IPV6,
        abi::IPV6_MTU_DISCOVER,
        abi::IPV6_PMTUDISC_PROBE,
    ),
    (abi::SOL_IPV6, abi::IPV6_RECVHOPLIMIT, 1),
];
/// Those of a member of a group.
const GROUP_V4: [Setting; 2] = [
    (abi::SOL_IP, abi::IP_MULTICAST_TTL, HOP_LIMIT),
    (abi::SOL_IP, abi::IP_MULTICAST_LOOP, 0),
];
const GROUP_V6: [Setting; 2] = [
    (abi::SOL_IPV6, abi::IPV6_MULTICAST_HOPS, HOP_LIMIT),
    (abi::SOL_IPV6, abi::IPV6_MULTICAST_LOOP, 0),
];

/// A `struct sockaddr_in` or `sockaddr_in6`.
#[repr(C)]
#[derive(Clone, Copy)]
union SockAddr {
    family: u16,
    v4: abi::sockaddr_in,
    v6: abi::sockaddr_in6,
}

impl SockAddr {
    /// Any address, for the answer of a call.
    fn none() -> Self {
        Self {
            v6: abi::sockaddr_in6::default(),
        }
    }

    fn new(address: &Address, ifindex: u32, port: u16) -> Self {
        let words = address_of(&address.bytes);
        match address.family {
            FAMILY_V6 => Self {
                v6: abi::sockaddr_in6 {
                    sin6_family: abi::AF_INET6,
                    sin6_port: port.to_be(),
                    sin6_addr: words,
                    sin6_scope_id: ifindex,
                    ..Default::default()
                },
            },
            _ => Self {
                v4: abi::sockaddr_in {
                    sin_family: abi::AF_INET,
                    sin_port: port.to_be(),
                    sin_addr: words[0],
                    ..Default::default()
                },
            },
        }
    }

    fn family(&self) -> u16 {
        // SAFETY: Both begin with the family, and any bytes are a number.
        unsafe { self.family }
    }

    /// Its length in bytes.
    fn length(&self) -> u32 {
        let length = match self.family() {
            abi::AF_INET6 => size_of::<abi::sockaddr_in6>(),
            _ => size_of::<abi::sockaddr_in>(),
        };
        length as u32
    }

    fn as_ptr(&self) -> *const u8 {
        core::ptr::from_ref(self).cast()
    }

    /// The address without its port.
    fn address(&self) -> Address {
        let (family, words) = match self.family() {
            // SAFETY: The family says that it is this one.
            abi::AF_INET6 => (FAMILY_V6, unsafe { self.v6.sin6_addr }),
            // SAFETY: All are numbers, which any bytes are.
            _ => (FAMILY_V4, [unsafe { self.v4.sin_addr }, 0, 0, 0]),
        };
        Address {
            family,
            bytes: bytes_of(words),
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
    sock: NonNull<abi::socket>,
    net: Net,
    ifindex: u32,
    port: u16,
}

// SAFETY: The socket API takes the socket's own lock (net/socket.c): any task may call it.
unsafe impl Send for Socket {}
// SAFETY: As above.
unsafe impl Sync for Socket {}

impl Socket {
    /// Opens a socket of a family on interface `ifindex`, on UDP port `port`, as a member of the
    /// group if there is one, to send to `peers` addresses.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another socket has the port, `ENODEV` if the interface is gone, `EINVAL`
    /// if the group is no multicast address.
    pub(crate) fn open(
        net: Net,
        ifindex: u32,
        family: u8,
        group: Option<&Address>,
        peers: usize,
        port: u16,
    ) -> Result<Self> {
        let peers = u32::try_from(peers).map_err(|_| EINVAL)?;
        let send_buffer = SEND_BUFFER.saturating_add(peers.saturating_mul(UNRESOLVED_BUFFER));
        let number = match family {
            FAMILY_V6 => abi::AF_INET6,
            _ => abi::AF_INET,
        };
        // SAFETY: By the invariant of `Net`.
        let sock = unsafe {
            abi::ct_sync_socket_open(
                net.raw(),
                number,
                RECEIVE_BUFFER,
                send_buffer,
                SEND_TIMEOUT_MS,
            )
        };
        let sock = kernel::error::from_err_ptr(sock)?;
        // INVARIANT: Just opened.
        let socket = Self {
            sock: NonNull::new(sock).ok_or(ENOMEM)?,
            net,
            ifindex,
            port,
        };
        socket.configure(family, group)?;
        Ok(socket)
    }

    /// Binds a new socket and sets its options.
    fn configure(&self, family: u8, group: Option<&Address>) -> Result {
        if family == FAMILY_V6 {
            // Refused once the socket has a port.
            self.set_all(&[(abi::SOL_IPV6, abi::IPV6_V6ONLY, 1)])?;
        }
        let any = Address {
            family,
            ..Address::default()
        };
        let any = SockAddr::new(&any, 0, self.port);
        // SAFETY: By the type invariant; the address is only read.
        let err = unsafe {
            abi::ct_sync_socket_bind(self.sock.as_ptr(), self.ifindex, any.as_ptr(), any.length())
        };
        kernel::error::to_result(err)?;
        match family {
            FAMILY_V6 => self.set_all(&OPTIONS_V6)?,
            _ => self.set_all(&OPTIONS_V4)?,
        }
        match group {
            Some(group) if family == FAMILY_V6 => self.join_v6(group),
            Some(group) => self.join_v4(group),
            None => Ok(()),
        }
    }

    fn join_v4(&self, group: &Address) -> Result {
        let membership = abi::ip_mreqn {
            imr_multiaddr: address_of(&group.bytes)[0],
            imr_address: 0,
            imr_ifindex: self.ifindex as i32,
        };
        self.set_all(&GROUP_V4)?;
        self.set(abi::SOL_IP, abi::IP_MULTICAST_IF, &membership)?;
        self.set(abi::SOL_IP, abi::IP_ADD_MEMBERSHIP, &membership)
    }

    fn join_v6(&self, group: &Address) -> Result {
        let membership = abi::ipv6_mreq {
            ipv6mr_multiaddr: address_of(&group.bytes),
            ipv6mr_ifindex: self.ifindex as i32,
        };
        self.set_all(&GROUP_V6)?;
        self.set(abi::SOL_IPV6, abi::IPV6_MULTICAST_IF, &self.ifindex)?;
        self.set(abi::SOL_IPV6, abi::IPV6_ADD_MEMBERSHIP, &membership)
    }

    fn set_all(&self, settings: &[Setting]) -> Result {
        settings
            .iter()
            .try_for_each(|&(level, option, value)| self.set(level, option, &value))
    }

    /// Sets an option; the value is a C struct or an `int`.
    fn set<T>(&self, level: u32, option: u32, value: &T) -> Result {
        // SAFETY: By the type invariant; the value is only read, and is as long as said.
        let err = unsafe {
            abi::ct_sync_socket_set(
                self.sock.as_ptr(),
                level,
                option,
                core::ptr::from_ref(value).cast(),
                size_of::<T>() as u32,
            )
        };
        kernel::error::to_result(err)
    }

    /// Whether an address is this node's own, so that one list of peers may serve all nodes.
    fn is_own(&self, address: &Address) -> bool {
        let rcu = rcu::read_lock();
        match address.family {
            FAMILY_V6 => {
                let on = self.net.device(self.ifindex, &rcu);
                self.net.has_ip6(&address.bytes, on)
            }
            _ => self.net.has_ip(&address.bytes, &rcu),
        }
    }

    /// Sends a frame to a group or to another node; to this node itself nothing is sent.
    ///
    /// # Errors
    ///
    /// What `sendmsg(2)` says, `EAGAIN` if the interface takes nothing: now, or with `wait` for
    /// 100 ms.
    pub(crate) fn send(&self, frame: &[u8], to: &Address, wait: bool) -> Result {
        if self.is_own(to) {
            return Ok(());
        }
        let to = SockAddr::new(to, self.ifindex, self.port);
        // SAFETY: By the type invariant; address and frame are only read.
        let sent = unsafe {
            abi::ct_sync_socket_send(
                self.sock.as_ptr(),
                to.as_ptr(),
                to.length(),
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
        let mut from = SockAddr::none();
        let mut hop_limit = -1;
        // SAFETY: By the type invariant; all results are ours to write.
        let length = unsafe {
            abi::ct_sync_socket_receive(
                self.sock.as_ptr(),
                frame.as_mut_ptr(),
                frame.len(),
                (&raw mut from).cast(),
                size_of::<SockAddr>() as u32,
                &raw mut hop_limit,
            )
        };
        if length == EAGAIN.to_errno() {
            return Ok(None);
        }
        kernel::error::to_result(length.min(0))?;
        Ok(Some(Datagram {
            length: usize::try_from(length).unwrap_or(0),
            from: from.address(),
            hop_limit: u8::try_from(hop_limit).ok(),
        }))
    }

    /// Waits for a datagram, or until the thread is to stop.
    pub(crate) fn wait(&self, _stop: &Stop) {
        // SAFETY: By the type invariant; `Stop` proves that this is a kthread.
        unsafe { abi::ct_sync_socket_wait(self.sock.as_ptr()) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it is not used again.
        unsafe { abi::sock_release(self.sock.as_ptr()) }
    }
}
