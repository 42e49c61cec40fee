// SPDX-License-Identifier: GPL-2.0

//! What Rust and C both know: the one list of it.
//!
//! `scripts/abi.awk` makes `abi.h` of this file when the module is built, so nothing here is
//! written a second time by hand. A part of this file begins with `// C: ours` or `// C: kernel`.
//!
//! ours
//!     Constants become macros, structs become C's definitions, functions become the prototypes that the C files
//!     implement.
//! kernel
//!     The kernel's headers have these already, and the compiler compares (`helpers/abi.c`): constants by
//!     `static_assert`, structs field by field (offset, size, sign) against a C twin of what stands here, functions by a
//!     second declaration. A kernel in which one of them is different does not build.
//!
//! A field that C reaches by another path, or a type that C calls otherwise, is followed by `// =
//! path`. A type that is only named here is a struct of the kernel's whose layout Rust does not
//! know: opaque types, `nf_conn` first of all, whose layout depends on the configuration.

#![allow(non_camel_case_types, missing_docs)]
#![allow(dead_code, reason = "some constants are only compared")]

use core::ffi::c_void;

use kernel::ffi::c_char;

/// A struct of the kernel's that is only pointed to. Others change it at any time, so a shared
/// reference promises the compiler nothing: hence the cell.
macro_rules! opaque {
    ($($name:ident),* $(,)?) => {
        $(#[repr(C)] pub(crate) struct $name {
            _data: core::cell::UnsafeCell<[u8; 0]>,
            _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        })*
    };
}

opaque!(
    net,
    in6_addr,
    net_device,
    seq_file,
    sk_buff,
    socket,
    task_struct,
    ct_sync_device_hooks,
    ct_sync_sysctl,
    nf_conn,
    nf_conn_help,
    nf_conntrack_expect,
    nf_conntrack_helper,
    nf_conntrack_l4proto
);

// C: kernel

// enum ip_conntrack_dir
pub(crate) const IP_CT_DIR_ORIGINAL: u8 = 0;
pub(crate) const IP_CT_DIR_REPLY: u8 = 1;

// enum ip_conntrack_status
pub(crate) const IPS_EXPECTED_BIT: u32 = 0;
pub(crate) const IPS_SEEN_REPLY_BIT: u32 = 1;
pub(crate) const IPS_ASSURED_BIT: u32 = 2;
pub(crate) const IPS_CONFIRMED_BIT: u32 = 3;
pub(crate) const IPS_SRC_NAT_BIT: u32 = 4;
pub(crate) const IPS_DST_NAT_BIT: u32 = 5;
pub(crate) const IPS_SEQ_ADJUST_BIT: u32 = 6;
pub(crate) const IPS_DYING_BIT: u32 = 9;
pub(crate) const IPS_FIXED_TIMEOUT_BIT: u32 = 10;
pub(crate) const IPS_TEMPLATE_BIT: u32 = 11;
pub(crate) const IPS_NAT_CLASH_BIT: u32 = 12;
pub(crate) const IPS_OFFLOAD_BIT: u32 = 14;

// enum ip_conntrack_events
pub(crate) const IPCT_DESTROY: u32 = 2;

// enum module_state
pub(crate) const MODULE_STATE_COMING: usize = 1;

// enum netdev_cmd
pub(crate) const NETDEV_UP: usize = 1;
pub(crate) const NETDEV_REGISTER: usize = 5;
pub(crate) const NETDEV_UNREGISTER: usize = 6;
pub(crate) const NETDEV_CHANGEMTU: usize = 7;
pub(crate) const NETDEV_CHANGENAME: usize = 11;
pub(crate) const NETDEV_CHANGEUPPER: usize = 22;

pub(crate) const IFNAMSIZ: usize = 16;
pub(crate) const IFF_UP: u32 = 1;
pub(crate) const IFF_LOOPBACK: u32 = 8;
pub(crate) const ETH_P_IP: u16 = 0x0800;
pub(crate) const ETH_P_IPV6: u16 = 0x86DD;

// The socket API
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;
pub(crate) const SOL_IP: u32 = 0;
pub(crate) const SOL_IPV6: u32 = 41;
pub(crate) const IP_TTL: u32 = 2;
pub(crate) const IP_MTU_DISCOVER: u32 = 10;
pub(crate) const IP_RECVTTL: u32 = 12;
pub(crate) const IP_MULTICAST_IF: u32 = 32;
pub(crate) const IP_MULTICAST_TTL: u32 = 33;
pub(crate) const IP_MULTICAST_LOOP: u32 = 34;
pub(crate) const IP_ADD_MEMBERSHIP: u32 = 35;
pub(crate) const IP_MULTICAST_ALL: u32 = 49;
pub(crate) const IP_PMTUDISC_PROBE: u32 = 3;
pub(crate) const IPV6_UNICAST_HOPS: u32 = 16;
pub(crate) const IPV6_MULTICAST_IF: u32 = 17;
pub(crate) const IPV6_MULTICAST_HOPS: u32 = 18;
pub(crate) const IPV6_MULTICAST_LOOP: u32 = 19;
pub(crate) const IPV6_ADD_MEMBERSHIP: u32 = 20;
pub(crate) const IPV6_MTU_DISCOVER: u32 = 23;
pub(crate) const IPV6_V6ONLY: u32 = 26;
pub(crate) const IPV6_MULTICAST_ALL: u32 = 29;
pub(crate) const IPV6_RECVHOPLIMIT: u32 = 51;
pub(crate) const IPV6_PMTUDISC_PROBE: u32 = 3;

// enum tcp_conntrack
pub(crate) const TCP_CONNTRACK_SYN_SENT: u8 = 1;
pub(crate) const TCP_CONNTRACK_ESTABLISHED: u8 = 3;
pub(crate) const TCP_CONNTRACK_SYN_SENT2: u8 = 9;
pub(crate) const TCP_CONNTRACK_MAX: u8 = 10;
pub(crate) const TCP_CONNTRACK_TIMEOUT_MAX: u8 = 14;

pub(crate) const IP_CT_TCP_FLAG_BE_LIBERAL: u8 = 0x08;
pub(crate) const IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED: u8 = 0x10;
pub(crate) const IP_CT_TCP_FLAG_MAXACK_SET: u8 = 0x20;
pub(crate) const IP_CT_EXP_CHALLENGE_ACK: u8 = 0x40;

// enum sctp_conntrack
pub(crate) const SCTP_CONNTRACK_ESTABLISHED: u32 = 4;
pub(crate) const SCTP_CONNTRACK_MAX: u32 = 10;

// enum udp_conntrack, enum gre_conntrack
pub(crate) const UDP_CT_UNREPLIED: usize = 0;
pub(crate) const UDP_CT_REPLIED: usize = 1;
pub(crate) const GRE_CT_UNREPLIED: usize = 0;
pub(crate) const GRE_CT_REPLIED: usize = 1;

pub(crate) const NFPROTO_IPV4: u8 = 2;
pub(crate) const NFPROTO_IPV6: u8 = 10;
pub(crate) const IPPROTO_ICMP: u8 = 1;
pub(crate) const IPPROTO_TCP: u8 = 6;
pub(crate) const IPPROTO_UDP: u8 = 17;
pub(crate) const IPPROTO_GRE: u8 = 47;
pub(crate) const IPPROTO_ICMPV6: u8 = 58;
pub(crate) const IPPROTO_SCTP: u8 = 132;

pub(crate) const NF_ACCEPT: u32 = 1;
pub(crate) type manip_type = u32; // = enum nf_nat_manip_type
pub(crate) const NF_NAT_MANIP_SRC: u32 = 0;
pub(crate) const NF_NAT_MANIP_DST: u32 = 1;
pub(crate) const NF_NAT_RANGE_MAP_IPS: u32 = 1;
pub(crate) const NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 2;

pub(crate) const NF_CT_DEFAULT_ZONE_ID: u16 = 0;
pub(crate) const NF_CT_DEFAULT_ZONE_DIR: u8 = 3;

pub(crate) const NF_CT_HELPER_F_USERSPACE: u32 = 1;
pub(crate) const NF_CT_HELPER_NAME_LEN: usize = 16;
pub(crate) const NF_CT_MAX_EXPECT_CLASSES: u32 = 4;
pub(crate) const NF_CT_EXPECT_PERMANENT: u32 = 1;
pub(crate) const NF_CT_EXPECT_INACTIVE: u32 = 2;
pub(crate) const NF_CT_EXPECT_USERSPACE: u32 = 4;
pub(crate) const NF_CT_EXPECT_DEAD: u32 = 8;
pub(crate) const NF_CT_EXPECT_MASK: u32 = 7;

// rtnetlink's types of routes
pub(crate) const RTN_BROADCAST: u32 = 3;
pub(crate) const RTN_MULTICAST: u32 = 5;

/// Addresses as words of memory: an IPv4 address is the first, the others are zero.
pub(crate) type inet_addr = [u32; 4];

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct nf_conntrack_tuple {
    pub(crate) src_u3: inet_addr, // = src.u3
    pub(crate) src_u: u16,        // = src.u
    pub(crate) src_l3num: u16,    // = src.l3num
    pub(crate) dst_u3: inet_addr, // = dst.u3
    pub(crate) dst_u: u16,        // = dst.u
    pub(crate) dst_protonum: u8,  // = dst.protonum
    pub(crate) dst_dir: u8,       // = dst.dir
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct nf_conntrack_tuple_mask {
    pub(crate) src_u3: inet_addr, // = src.u3
    pub(crate) src_u: u16,        // = src.u
}

#[repr(C)]
pub(crate) struct nf_conntrack_tuple_hash {
    pub(crate) hnnode: [usize; 2],
    pub(crate) tuple: nf_conntrack_tuple,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct nf_conntrack_zone {
    pub(crate) id: u16,
    pub(crate) flags: u8,
    pub(crate) dir: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct ip_ct_tcp_state {
    pub(crate) td_end: u32,
    pub(crate) td_maxend: u32,
    pub(crate) td_maxwin: u32,
    pub(crate) td_maxack: u32,
    pub(crate) td_scale: u8,
    pub(crate) flags: u8,
}

#[repr(C)]
pub(crate) struct ip_ct_tcp {
    pub(crate) seen: [ip_ct_tcp_state; 2],
    pub(crate) state: u8,
    pub(crate) last_dir: u8,
    pub(crate) retrans: u8,
    pub(crate) last_index: u8,
    pub(crate) last_seq: u32,
    pub(crate) last_ack: u32,
    pub(crate) last_end: u32,
    pub(crate) last_win: u16,
    pub(crate) last_wscale: u8,
    pub(crate) last_flags: u8,
}

#[repr(C)]
pub(crate) struct ip_ct_sctp {
    pub(crate) state: u32,
    pub(crate) vtag: [u32; 2],
    pub(crate) init: [u8; 2],
    pub(crate) last_dir: u8,
    pub(crate) flags: u8,
}

#[repr(C)]
pub(crate) struct nf_ct_gre {
    pub(crate) stream_timeout: u32,
    pub(crate) timeout: u32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct nf_ct_seqadj {
    pub(crate) correction_pos: u32,
    pub(crate) offset_before: i32,
    pub(crate) offset_after: i32,
}

#[repr(C)]
pub(crate) struct nf_conn_seqadj {
    pub(crate) seq: [nf_ct_seqadj; 2],
}

#[repr(C)]
pub(crate) struct nf_conn_labels {
    pub(crate) bits: [usize; 2],
}

#[repr(C)]
pub(crate) struct nf_conn_counter {
    pub(crate) packets: i64,
    pub(crate) bytes: i64,
}

#[repr(C)]
pub(crate) struct nf_conn_acct {
    pub(crate) counter: [nf_conn_counter; 2],
}

#[repr(C)]
pub(crate) struct nf_conn_tstamp {
    pub(crate) start: u64,
    pub(crate) stop: u64,
}

#[repr(C)]
pub(crate) struct nf_conn_synproxy {
    pub(crate) isn: u32,
    pub(crate) its: u32,
    pub(crate) tsoff: u32,
}

/// The head of a timeout policy; the timeouts, in jiffies, come behind it.
#[repr(C)]
pub(crate) struct nf_ct_timeout {
    pub(crate) refcnt: u32,
    pub(crate) l3num: u16,
    pub(crate) l4proto: *const nf_conntrack_l4proto,
    pub(crate) rcu: [usize; 2],
}

#[repr(C)]
pub(crate) struct nf_nat_range2 {
    pub(crate) flags: u32,
    pub(crate) min_addr: inet_addr,
    pub(crate) max_addr: inet_addr,
    pub(crate) min_proto: u16,
    pub(crate) max_proto: u16,
    pub(crate) base_proto: u16,
}

#[repr(C)]
pub(crate) struct nf_ct_iter_data {
    pub(crate) net: *mut net,
    pub(crate) data: *mut c_void,
    pub(crate) portid: u32,
    pub(crate) report: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sockaddr_in {
    pub(crate) sin_family: u16,
    pub(crate) sin_port: u16,
    pub(crate) sin_addr: u32,
    pub(crate) __pad: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sockaddr_in6 {
    pub(crate) sin6_family: u16,
    pub(crate) sin6_port: u16,
    pub(crate) sin6_flowinfo: u32,
    pub(crate) sin6_addr: inet_addr,
    pub(crate) sin6_scope_id: u32,
}

#[repr(C)]
pub(crate) struct ip_mreqn {
    pub(crate) imr_multiaddr: u32,
    pub(crate) imr_address: u32,
    pub(crate) imr_ifindex: i32,
}

#[repr(C)]
pub(crate) struct ipv6_mreq {
    pub(crate) ipv6mr_multiaddr: inet_addr,
    pub(crate) ipv6mr_ifindex: i32,
}

/// What an entry of the table is given to by a pass; it returns 1 if the entry is to be deleted.
pub(crate) type ct_sync_iter = unsafe extern "C" fn(ct: *mut nf_conn, data: *mut c_void) -> i32;

extern "C" {
    pub(crate) fn nf_conntrack_find_get(
        net: *mut net,
        zone: *const nf_conntrack_zone,
        tuple: *const nf_conntrack_tuple,
    ) -> *mut nf_conntrack_tuple_hash;
    pub(crate) fn nf_conntrack_alloc(
        net: *mut net,
        zone: *const nf_conntrack_zone,
        orig: *const nf_conntrack_tuple,
        repl: *const nf_conntrack_tuple,
        gfp: u32,
    ) -> *mut nf_conn;
    pub(crate) fn nf_conntrack_free(ct: *mut nf_conn);
    pub(crate) fn nf_conntrack_hash_check_insert(ct: *mut nf_conn) -> i32;
    pub(crate) fn nf_conntrack_count(net: *const net) -> u32;
    pub(crate) fn nf_ct_delete(ct: *mut nf_conn, portid: u32, report: i32) -> bool;
    pub(crate) fn nf_ct_invert_tuple(
        inverse: *mut nf_conntrack_tuple,
        orig: *const nf_conntrack_tuple,
    ) -> bool;
    pub(crate) fn nf_ct_iterate_cleanup_net(iter: ct_sync_iter, iter_data: *const nf_ct_iter_data);
    pub(crate) fn nf_nat_setup_info(
        ct: *mut nf_conn,
        range: *const nf_nat_range2,
        maniptype: manip_type,
    ) -> u32;
    pub(crate) fn nf_ct_l4proto_find(l4proto: u8) -> *const nf_conntrack_l4proto;
    pub(crate) fn __nf_conntrack_helper_find(
        name: *const c_char,
        l3num: u16,
        protonum: u8,
    ) -> *mut nf_conntrack_helper;
    pub(crate) fn nf_ct_helper_ext_add(ct: *mut nf_conn, gfp: u32) -> *mut nf_conn_help;
    pub(crate) fn nf_ct_remove_expectations(ct: *mut nf_conn);
    pub(crate) fn nf_ct_expect_alloc(me: *mut nf_conn) -> *mut nf_conntrack_expect;
    pub(crate) fn nf_ct_expect_put(exp: *mut nf_conntrack_expect);
    pub(crate) fn nf_ct_expect_related_report(
        expect: *mut nf_conntrack_expect,
        portid: u32,
        report: i32,
        flags: u32,
    ) -> i32;
    pub(crate) fn nf_ct_unlink_expect_report(
        exp: *mut nf_conntrack_expect,
        portid: u32,
        report: i32,
    );
    pub(crate) fn kthread_should_stop() -> bool;
    pub(crate) fn kthread_stop_put(k: *mut task_struct) -> i32;
    pub(crate) fn ktime_get() -> i64;
    pub(crate) fn get_random_u32() -> u32;
    pub(crate) fn rtnl_lock();
    pub(crate) fn rtnl_unlock();
    pub(crate) fn __dev_get_by_name(net: *mut net, name: *const c_char) -> *mut net_device;
    pub(crate) fn dev_get_by_name_rcu(net: *mut net, name: *const c_char) -> *mut net_device;
    pub(crate) fn netdev_has_upper_dev_all_rcu(
        dev: *mut net_device,
        upper_dev: *mut net_device,
    ) -> bool;
    pub(crate) fn dev_get_by_index_rcu(net: *mut net, ifindex: i32) -> *mut net_device;
    pub(crate) fn __ip_dev_find(net: *mut net, addr: u32, devref: bool) -> *mut net_device;
    pub(crate) fn inet_addr_type(net: *mut net, addr: u32) -> u32;
    pub(crate) fn ipv6_chk_addr(
        net: *mut net,
        addr: *const in6_addr,
        dev: *const net_device,
        strict: i32,
    ) -> i32;
    pub(crate) fn ipv6_dev_find(
        net: *mut net,
        addr: *const in6_addr,
        dev: *mut net_device,
    ) -> *mut net_device;
    pub(crate) fn sock_release(sock: *mut socket);
    pub(crate) fn security_secctx_to_secid(
        secdata: *const c_char,
        seclen: u32,
        secid: *mut u32,
    ) -> i32;
}

// C: ours

/// Works of a namespace that can be queued.
pub(crate) const CT_SYNC_WORKS: usize = 2;
/// Longest text that a sysctl file takes or gives, with its NUL.
pub(crate) const CT_SYNC_SYSCTL_MAX: usize = 1024;
/// Folders in which the files of a namespace are.
pub(crate) const CT_SYNC_SYSCTL_FOLDERS: usize = 2;
/// Subjects of lines in the log.
pub(crate) const CT_SYNC_LOG_SUBJECTS: usize = 3;

pub(crate) type ct_sync_net_init =
    unsafe extern "C" fn(net: *mut net, owner: *mut *mut c_void) -> i32;
pub(crate) type ct_sync_net_call = unsafe extern "C" fn(owner: *mut c_void);
pub(crate) type ct_sync_net_work = unsafe extern "C" fn(owner: *mut c_void, which: u32);
pub(crate) type ct_sync_net_show = unsafe extern "C" fn(owner: *mut c_void, seq: *mut seq_file);
pub(crate) type ct_sync_net_device =
    unsafe extern "C" fn(owner: *mut c_void, dev: *mut net_device, event: usize);
pub(crate) type ct_sync_module_matters =
    unsafe extern "C" fn(name: *const c_char, state: usize) -> bool;
pub(crate) type ct_sync_net_skb = unsafe extern "C" fn(owner: *mut c_void, skb: *mut sk_buff);
pub(crate) type ct_sync_net_passes =
    unsafe extern "C" fn(owner: *mut c_void, skb: *mut sk_buff) -> bool;
pub(crate) type ct_sync_event =
    unsafe extern "C" fn(listener: *mut c_void, events: u32, ct: *mut nf_conn) -> i32;
pub(crate) type ct_sync_conn_event = unsafe extern "C" fn(listener: *mut c_void, ct: *mut nf_conn);

/// What C calls, of a namespace and of who listens to its events.
#[repr(C)]
pub(crate) struct ct_sync_net_ops {
    pub(crate) name: *const c_char,
    pub(crate) init: ct_sync_net_init,
    pub(crate) pre_exit: ct_sync_net_call,
    pub(crate) exit: ct_sync_net_call,
    pub(crate) work: ct_sync_net_work,
    pub(crate) show: ct_sync_net_show,
    pub(crate) device: ct_sync_net_device,
    pub(crate) module_matters: ct_sync_module_matters,
    pub(crate) module_changed: ct_sync_net_call,
    pub(crate) foreign: ct_sync_net_skb,
    pub(crate) passes: ct_sync_net_passes,
    pub(crate) event: ct_sync_event,
    pub(crate) expectation: ct_sync_conn_event,
    pub(crate) packet: ct_sync_conn_event,
}

/// What the hooks of a namespace look at, before they ask.
#[repr(C)]
pub(crate) struct ct_sync_hook_words {
    pub(crate) ifindex: u32,
    pub(crate) untrack: u32,
    pub(crate) watch: u32,
}

pub(crate) type ct_sync_sysctl_read =
    unsafe extern "C" fn(owner: *mut c_void, index: u32, text: *mut c_char, text_max: usize) -> i32;
pub(crate) type ct_sync_sysctl_write =
    unsafe extern "C" fn(owner: *mut c_void, index: u32, text: *const c_char, length: usize) -> i32;

/// Who reads and writes sysctl files, and where they are.
#[repr(C)]
pub(crate) struct ct_sync_sysctl_ops {
    pub(crate) read: ct_sync_sysctl_read,
    pub(crate) write: ct_sync_sysctl_write,
    pub(crate) folders: [*const c_char; 2],
}

/// A sysctl file.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ct_sync_sysctl_file {
    pub(crate) name: *const c_char,
    pub(crate) mode: u16,
}

/// Wakes one thread.
#[repr(C)]
pub(crate) struct ct_sync_signal {
    pub(crate) task: *mut c_void,
    pub(crate) raised: u32,
    pub(crate) reserved: u32,
}

pub(crate) type ct_sync_thread_body = unsafe extern "C" fn(data: *mut c_void) -> i32;

/// What Rust reads and writes of an expectation.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ct_sync_expect_fields {
    pub(crate) tuple: nf_conntrack_tuple,
    pub(crate) mask: nf_conntrack_tuple_mask,
    pub(crate) saved_addr: inet_addr,
    pub(crate) saved_proto: u16,
    pub(crate) dir: u8,
    pub(crate) class: u8,
    pub(crate) flags: u32,
    pub(crate) expectfn: usize,
    pub(crate) assign_helper: usize,
}

extern "C" {
    // conn.c: fields of an entry
    pub(crate) fn ct_sync_conn_get(ct: *mut nf_conn);
    pub(crate) fn ct_sync_conn_put(ct: *mut nf_conn);
    pub(crate) fn ct_sync_conn_set_count(ct: *mut nf_conn, count: i32);
    pub(crate) fn ct_sync_conn_lock(ct: *mut nf_conn);
    pub(crate) fn ct_sync_conn_unlock(ct: *mut nf_conn);
    pub(crate) fn ct_sync_conn_net(ct: *const nf_conn) -> *mut net;
    pub(crate) fn ct_sync_conn_tuple(ct: *const nf_conn, dir: u8) -> *const nf_conntrack_tuple;
    pub(crate) fn ct_sync_conn_zone(ct: *const nf_conn) -> *const nf_conntrack_zone;
    pub(crate) fn ct_sync_conn_status(ct: *mut nf_conn) -> *mut usize;
    pub(crate) fn ct_sync_conn_timeout(ct: *mut nf_conn) -> *mut u32;
    pub(crate) fn ct_sync_conn_mark(ct: *mut nf_conn) -> *mut u32;
    pub(crate) fn ct_sync_conn_secmark(ct: *mut nf_conn) -> *mut u32;
    pub(crate) fn ct_sync_conn_master(ct: *mut nf_conn) -> *mut *mut nf_conn;
    pub(crate) fn ct_sync_conn_tcp(ct: *mut nf_conn) -> *mut ip_ct_tcp;
    pub(crate) fn ct_sync_conn_sctp(ct: *mut nf_conn) -> *mut ip_ct_sctp;
    pub(crate) fn ct_sync_conn_gre(ct: *mut nf_conn) -> *mut nf_ct_gre;
    pub(crate) fn ct_sync_bit_set(word: *mut usize, bit: u32);
    pub(crate) fn ct_sync_bit_test_and_set(word: *mut usize, bit: u32) -> bool;
    pub(crate) fn ct_sync_bit_test_and_clear(word: *mut usize, bit: u32) -> bool;
    pub(crate) fn ct_sync_jiffies() -> u32;
    pub(crate) fn ct_sync_hz() -> u32;

    // table.c: the table of all namespaces
    pub(crate) fn ct_sync_bucket_lock(bucket: u32) -> u32;
    pub(crate) fn ct_sync_bucket_unlock(bucket: u32);
    pub(crate) fn ct_sync_bucket_first(bucket: u32) -> *mut nf_conntrack_tuple_hash;
    pub(crate) fn ct_sync_bucket_next(
        hash: *mut nf_conntrack_tuple_hash,
    ) -> *mut nf_conntrack_tuple_hash;
    pub(crate) fn ct_sync_conn_of(hash: *mut nf_conntrack_tuple_hash) -> *mut nf_conn;
    pub(crate) fn ct_sync_table_max() -> u32;
    pub(crate) fn ct_sync_cond_resched();

    // ext.c: extensions of an entry; the ones that it has not are NULL
    pub(crate) fn ct_sync_labels(ct: *const nf_conn) -> *mut nf_conn_labels;
    pub(crate) fn ct_sync_acct(ct: *const nf_conn) -> *mut nf_conn_acct;
    pub(crate) fn ct_sync_tstamp(ct: *const nf_conn) -> *mut nf_conn_tstamp;
    pub(crate) fn ct_sync_synproxy(ct: *const nf_conn) -> *mut nf_conn_synproxy;
    pub(crate) fn ct_sync_seqadj(ct: *const nf_conn) -> *mut nf_conn_seqadj;
    pub(crate) fn ct_sync_ecache_mask(ct: *const nf_conn) -> u32;
    pub(crate) fn ct_sync_add_labels(ct: *mut nf_conn) -> bool;
    pub(crate) fn ct_sync_add_acct(ct: *mut nf_conn, always: bool) -> bool;
    pub(crate) fn ct_sync_add_tstamp(ct: *mut nf_conn, always: bool) -> bool;
    pub(crate) fn ct_sync_add_synproxy(ct: *mut nf_conn) -> bool;
    pub(crate) fn ct_sync_add_seqadj(ct: *mut nf_conn) -> bool;
    pub(crate) fn ct_sync_add_ecache(ct: *mut nf_conn) -> bool;
    pub(crate) fn ct_sync_add_nat(ct: *mut nf_conn) -> bool;
    pub(crate) fn ct_sync_masquerade(ct: *const nf_conn) -> *mut i32;
    pub(crate) fn ct_sync_has_synproxy() -> bool;
    pub(crate) fn ct_sync_has_secmark() -> bool;
    pub(crate) fn ct_sync_tracks_sctp() -> bool;
    pub(crate) fn ct_sync_real_ns() -> u64;
    pub(crate) fn ct_sync_secctx(secmark: u32, context: *mut u8, context_max: usize) -> isize;

    // timeout.c: timeouts of protocols and policies
    pub(crate) fn ct_sync_policy(ct: *const nf_conn) -> *mut nf_ct_timeout;
    pub(crate) fn ct_sync_policy_data(policy: *mut nf_ct_timeout) -> *mut u32;
    pub(crate) fn ct_sync_policy_length(l4proto: *const nf_conntrack_l4proto) -> u32;
    pub(crate) fn ct_sync_policy_new(
        l3num: u16,
        l4proto: *const nf_conntrack_l4proto,
        length: u32,
    ) -> *mut nf_ct_timeout;
    pub(crate) fn ct_sync_policy_get(policy: *mut nf_ct_timeout);
    pub(crate) fn ct_sync_policy_put(policy: *mut nf_ct_timeout);
    pub(crate) fn ct_sync_add_policy(ct: *mut nf_conn, policy: *mut nf_ct_timeout) -> bool;
    pub(crate) fn ct_sync_protocol_timeouts(
        net: *mut net,
        protocol: u8,
        timeouts: *mut *const u32,
    ) -> u32;

    // helper.c: helpers, and what connections expect
    pub(crate) fn ct_sync_help(ct: *const nf_conn) -> *mut nf_conn_help;
    pub(crate) fn ct_sync_help_helper(help: *const nf_conn_help) -> *mut nf_conntrack_helper;
    pub(crate) fn ct_sync_help_set_helper(
        help: *mut nf_conn_help,
        helper: *mut nf_conntrack_helper,
    ) -> bool;
    pub(crate) fn ct_sync_helper_name(helper: *const nf_conntrack_helper) -> *const c_char;
    pub(crate) fn ct_sync_helper_flags(helper: *const nf_conntrack_helper) -> u32;
    pub(crate) fn ct_sync_helper_works(helper: *const nf_conntrack_helper) -> bool;
    pub(crate) fn ct_sync_helper_class_max(helper: *const nf_conntrack_helper) -> u32;
    pub(crate) fn ct_sync_helper_pick_up(helper: *mut nf_conntrack_helper, ct: *mut nf_conn);
    pub(crate) fn ct_sync_helper_request(name: *const c_char);
    pub(crate) fn ct_sync_gre_keymap_add(ct: *mut nf_conn, master: *mut nf_conn);
    pub(crate) fn ct_sync_expect_lock();
    pub(crate) fn ct_sync_expect_unlock();
    pub(crate) fn ct_sync_expect_first(help: *mut nf_conn_help) -> *mut nf_conntrack_expect;
    pub(crate) fn ct_sync_expect_next(exp: *mut nf_conntrack_expect) -> *mut nf_conntrack_expect;
    pub(crate) fn ct_sync_expect_read(
        exp: *const nf_conntrack_expect,
        fields: *mut ct_sync_expect_fields,
    );
    pub(crate) fn ct_sync_expect_init(
        exp: *mut nf_conntrack_expect,
        fields: *const ct_sync_expect_fields,
    );
    pub(crate) fn ct_sync_expect_flags(exp: *mut nf_conntrack_expect) -> *mut u32;
    pub(crate) fn ct_sync_expect_timeout(exp: *mut nf_conntrack_expect) -> *mut u32;
    pub(crate) fn ct_sync_function_name(function: usize) -> *const c_char;
    pub(crate) fn ct_sync_function_find(name: *const c_char) -> usize;

    // netns.c, notifier.c: namespaces and their events
    pub(crate) fn ct_sync_subsystem_register(ops: *const ct_sync_net_ops) -> i32;
    pub(crate) fn ct_sync_subsystem_unregister();
    pub(crate) fn ct_sync_init_net_owner() -> *mut c_void;
    pub(crate) fn ct_sync_param_syncdev() -> *const c_char;
    pub(crate) fn ct_sync_version() -> *const c_char;
    pub(crate) fn ct_sync_net_inum(net: *mut net) -> u32;
    pub(crate) fn ct_sync_work_queue(net: *mut net, which: u32);
    pub(crate) fn ct_sync_slot_ours() -> *const c_void;
    pub(crate) fn ct_sync_slot_holder(net: *mut net) -> *const c_void;
    pub(crate) fn ct_sync_slot_exchange(
        net: *mut net,
        from: *const c_void,
        to: *const c_void,
    ) -> bool;
    pub(crate) fn ct_sync_slot_next(net: *mut net) -> *const c_void;
    pub(crate) fn ct_sync_slot_set_next(net: *mut net, next: *const c_void);
    pub(crate) fn ct_sync_listener_set(net: *mut net, listener: *mut c_void);
    pub(crate) fn ct_sync_events_setting(net: *mut net) -> *mut u8;

    // hooks.c: packets and devices
    pub(crate) fn ct_sync_hooks_register(net: *mut net) -> i32;
    pub(crate) fn ct_sync_hooks_unregister(net: *mut net);
    pub(crate) fn ct_sync_hook_words(net: *mut net) -> *mut ct_sync_hook_words;
    pub(crate) fn ct_sync_device_hooks_register(dev: *mut net_device) -> *mut ct_sync_device_hooks;
    pub(crate) fn ct_sync_device_hooks_unregister(hooks: *mut ct_sync_device_hooks);
    pub(crate) fn ct_sync_device_hooks_dev(hooks: *mut ct_sync_device_hooks) -> *mut net_device;
    pub(crate) fn ct_sync_skb_copy(
        skb: *const sk_buff,
        offset: u32,
        to: *mut u8,
        length: u32,
    ) -> bool;
    pub(crate) fn ct_sync_skb_protocol(skb: *const sk_buff) -> u16;
    pub(crate) fn ct_sync_netdev_first(net: *mut net) -> *mut net_device;
    pub(crate) fn ct_sync_netdev_next(dev: *mut net_device) -> *mut net_device;
    pub(crate) fn ct_sync_netdev_name(dev: *const net_device) -> *const c_char;
    pub(crate) fn ct_sync_netdev_flags(dev: *const net_device) -> u32;
    pub(crate) fn ct_sync_netdev_ifindex(dev: *const net_device) -> u32;
    pub(crate) fn ct_sync_netdev_mtu(dev: *const net_device) -> u32;
    pub(crate) fn ct_sync_netdev_announce(dev: *mut net_device);

    // sysctl.c
    pub(crate) fn ct_sync_sysctl_register(
        net: *mut net,
        ops: *const ct_sync_sysctl_ops,
        owner: *mut c_void,
        files: *const ct_sync_sysctl_file,
        count: u32,
    ) -> *mut ct_sync_sysctl;
    pub(crate) fn ct_sync_sysctl_unregister(sysctl: *mut ct_sync_sysctl);

    // socket.c
    pub(crate) fn ct_sync_socket_open(
        net: *mut net,
        family: u16,
        receive_buffer: u32,
        send_buffer: u32,
        send_timeout_ms: u32,
    ) -> *mut socket;
    pub(crate) fn ct_sync_socket_set(
        sock: *mut socket,
        level: u32,
        option: u32,
        value: *const u8,
        length: u32,
    ) -> i32;
    pub(crate) fn ct_sync_socket_bind(
        sock: *mut socket,
        ifindex: u32,
        address: *const u8,
        length: u32,
    ) -> i32;
    pub(crate) fn ct_sync_socket_send(
        sock: *mut socket,
        address: *const u8,
        address_length: u32,
        frame: *const u8,
        length: usize,
        wait: bool,
    ) -> i32;
    pub(crate) fn ct_sync_socket_receive(
        sock: *mut socket,
        frame: *mut u8,
        length: usize,
        address: *mut u8,
        address_length: u32,
        hop_limit: *mut i32,
    ) -> i32;
    pub(crate) fn ct_sync_socket_wait(sock: *mut socket);

    // thread.c
    pub(crate) fn ct_sync_thread_start(
        body: ct_sync_thread_body,
        data: *mut c_void,
        name: *const c_char,
        namespace_id: u32,
    ) -> *mut task_struct;
    pub(crate) fn ct_sync_signal_raise(signal: *mut ct_sync_signal);
    pub(crate) fn ct_sync_signal_wait(signal: *mut ct_sync_signal, timeout_ns: u64);
    pub(crate) fn ct_sync_this_cpu() -> u32;
    pub(crate) fn ct_sync_cpus() -> u32;
    pub(crate) fn ct_sync_log_allowed(subject: u32) -> bool;
}
