// SPDX-License-Identifier: GPL-2.0

//! ct_sync: keeps the connection-tracking tables of a firewall cluster equal.
//!
//! The crate root: the module's parameters, and the order in which it starts and ends.

use kernel::prelude::*;
use kernel::str::CString;

// Compiled for the host as well, where these are a library's public items.
pub mod atomic {
    //! The atomics of the kernel; the host tests supply others of the same names.
    pub use kernel::sync::atomic::*;
}
pub mod buffer;
pub mod proto;
pub mod queue;
pub mod stats;

mod compat;
mod config;
mod conntrack;
mod engine;
mod instance;
mod kapi;
mod l2drop;
mod log;
mod notices;
mod notifier;
mod packet;
mod receiver;
mod sender;
mod show;
mod slot;
mod table;
mod transport;

use crate::compat::parameter;
use crate::config::Id;
use crate::instance::Instance;
use crate::kapi::netns::{self, Subsystem};

module! {
    type: CtSync,
    name: "ct_sync",
    authors: ["The ct_sync developers"],
    description: "Replication of connection tracking between firewalls",
    license: "GPL",
    params: {
        l2drop: i32 {
            default: 0,
            description: "A backup drops all frames but those of syncdev: 0 off, 1 on, 2 on but VRRP and BFD pass",
        },
        notrack: i32 {
            default: 1,
            description: "The traffic of syncdev is not tracked: 0 off, 1 on",
        },
        cmarkbit: i32 {
            default: -1,
            description: "Replicate only connections whose mark has this bit, 0 to 31; -1 is all",
        },
    },
}

/// The loaded module: dropping it ends every namespace's instance.
struct CtSync {
    _subsystem: Subsystem<Instance>,
}

impl kernel::Module for CtSync {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let subsystem = Subsystem::<Instance>::register()?;
        let initial = subsystem.initial();
        for (id, value) in [
            (Id::L2drop, parameter(module_parameters::l2drop.value())),
            (Id::Notrack, parameter(module_parameters::notrack.value())),
            (Id::Cmarkbit, parameter(module_parameters::cmarkbit.value())),
        ] {
            let text = CString::try_from_fmt(fmt!("{}", value))?;
            initial.set_parameter(id, text.to_str().map_err(|_| EINVAL)?)?;
        }
        // Last: this starts replication.
        let syncdev = netns::param_syncdev().to_str().map_err(|_| EINVAL)?;
        initial.set_parameter(Id::Syncdev, syncdev)?;
        Ok(Self {
            _subsystem: subsystem,
        })
    }
}
