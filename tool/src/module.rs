// SPDX-License-Identifier: GPL-2.0

//! What the program shares with the module: the names of the counters and the protocol.
//!
//! This file stands where `rust/ct_sync.rs` stands in the module, as `selftests/host/src/lib.rs`
//! does for the host tests, and takes `atomic` and `buffer` from there.

#[path = "../../selftests/host/src/atomic.rs"]
pub mod atomic;
#[path = "../../selftests/host/src/buffer.rs"]
pub mod buffer;
#[path = "../../rust/proto/mod.rs"]
pub mod proto;
#[path = "../../rust/stats.rs"]
pub mod stats;
pub mod wire;
