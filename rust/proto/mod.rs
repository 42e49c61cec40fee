// SPDX-License-Identifier: GPL-2.0

//! The protocol core: decides what is sent, what is believed and what is done with it.
//!
//! It does no I/O, knows no clock and allocates nothing: frames and truths come in through
//! `handle_*`, frames and actions go out through `poll_*`, the time is an argument and the memory
//! is the caller's. It compiles unchanged into the module and into the host tests.
//!
//! The protocol is specified in `Documentation/protocol.rst`; "§" in the comments here refers to
//! the sections of that document.

pub mod address;
mod apply;
mod backlog;
pub mod config;
mod dispatch;
pub mod entry;
pub mod expectation;
pub mod extras;
mod follower;
pub mod frame;
pub mod gaps;
mod hold;
mod inverse;
pub mod key;
mod lacks;
mod marks;
pub mod node;
pub mod notices;
mod numbers;
pub mod outcome;
pub mod peers;
pub mod range;
mod rate;
pub mod relations;
mod reports;
mod resync;
mod ring;
mod scrub;
pub mod storage;
pub mod stream;
pub mod table;
mod tail;
mod tenure;
pub mod time;
mod transmit;
mod walker;
pub mod wire;

pub use address::Address;
pub use config::Config;
pub use entry::{Entry, TcpWindow};
pub use expectation::Expectation;
pub use extras::Extras;
pub use key::{Endpoints, Key};
pub use node::Node;
pub use notices::{Notice, Notices};
pub use outcome::{Applied, Expected};
pub use peers::{Peer, PEERS_MAX};
pub use rate::WALK_BATCH;
pub use relations::{Relations, SeqAdj};
pub use storage::Storage;
pub use stream::{Role, Stream};
pub use table::{Table, Truth};
pub use time::Time;
pub use walker::Walk;
