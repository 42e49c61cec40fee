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
mod backlog;
mod dispatch;
pub mod entry;
pub mod expectation;
pub mod extras;
pub mod frame;
pub mod gaps;
mod inverse;
pub mod key;
pub mod node;
pub mod notices;
pub mod peers;
pub mod range;
mod receiver;
pub mod relations;
mod scrub;
pub mod stream;
pub mod time;
mod transmit;
mod walker;
pub mod wire;

pub use address::Address;
pub use entry::{Entry, TcpWindow};
pub use expectation::Expectation;
pub use extras::Extras;
pub use key::{Endpoints, Key};
pub use node::{Applied, Config, Expected, Node, Storage, Table, Truth};
pub use notices::{Notice, Notices};
pub use peers::{Peer, PEERS_MAX};
pub use relations::{Relations, SeqAdj};
pub use stream::{Role, Stream};
pub use time::Time;
pub use walker::{Walk, WALK_BATCH};
