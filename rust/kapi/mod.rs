// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the C that the rest of the module uses; the only `unsafe` there is.
//!
//! One C concept a file. Each says which call guarantees that no callback runs any more. Nothing
//! here knows the protocol or what replication is. Structs of the kernel stay opaque where their
//! layout depends on its configuration; of the others `abi.rs` has the layout, which the C compiler
//! compares with the kernel's.

mod abi;

pub(crate) mod addr;
pub(crate) mod conn;
pub(crate) mod expect;
pub(crate) mod ext;
pub(crate) mod helper;
pub(crate) mod new_conn;
pub(crate) mod proto_state;
pub(crate) mod table;
pub(crate) mod timeout;
pub(crate) mod tuple;

pub(crate) mod hooks;
pub(crate) mod net;
pub(crate) mod netdev;
pub(crate) mod netns;
pub(crate) mod notifier;
pub(crate) mod skb;
pub(crate) mod socket;
pub(crate) mod sysctl;
pub(crate) mod thread;

/// What the flat types of the protocol assume of the kernel.
const _: () = {
    use crate::proto::entry::POLICY_MAX;
    use crate::proto::relations::HELPER_NAME_MAX;
    use crate::proto::Entry;

    assert!(Entry::SEEN_REPLY == 1 << abi::IPS_SEEN_REPLY_BIT);
    assert!(Entry::ASSURED == 1 << abi::IPS_ASSURED_BIT);
    assert!(Entry::SRC_NAT == 1 << abi::IPS_SRC_NAT_BIT);
    assert!(Entry::DST_NAT == 1 << abi::IPS_DST_NAT_BIT);
    assert!(Entry::FIXED_TIMEOUT == 1 << abi::IPS_FIXED_TIMEOUT_BIT);
    assert!(HELPER_NAME_MAX == abi::NF_CT_HELPER_NAME_LEN);
    assert!(POLICY_MAX >= abi::TCP_CONNTRACK_TIMEOUT_MAX as usize);
};
