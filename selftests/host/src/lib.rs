// SPDX-License-Identifier: GPL-2.0

//! The parts of the module that touch no kernel, compiled for the host.
//!
//! This file stands where `rust/ct_sync.rs` stands in the module: it supplies `atomic` and
//! `buffer`, and takes the rest from the module's own sources.

pub mod atomic;
pub mod buffer;
#[cfg(not(loom))]
pub mod fuzz;
#[path = "../../../rust/proto/mod.rs"]
pub mod proto;
#[path = "../../../rust/queue.rs"]
pub mod queue;
#[cfg(not(loom))]
pub mod sim;
#[path = "../../../rust/stats.rs"]
pub mod stats;
