// SPDX-License-Identifier: GPL-2.0

//! The memory of a node, which the caller allocates: nothing in `proto/` does.

use super::peers::Peer;
use super::ring::{ring_bytes, RingFrame};
use super::scrub::{Suspect, SUSPECTS_MAX};
use super::wire::control::CONTROL_MAX;
use super::wire::header::HEADER_LEN;
use crate::buffer::{self, Buffer};

/// The memory of a node, for all that would not go well on a stack.
pub struct Storage {
    /// Room for the numbered frame that is being filled.
    pub(super) frame: Buffer<u8>,
    /// Room for a frame that is not numbered.
    pub(super) control: Buffer<u8>,
    /// What a scrub has found and nothing has explained yet.
    pub(super) suspects: Buffer<Suspect>,
    /// Room for the other nodes.
    pub(super) peers: Buffer<Peer>,
    /// Frames that can be repaired.
    pub(super) backlog: Buffer<RingFrame>,
    /// [`ring_bytes`] for each frame of the backlog.
    pub(super) backlog_bytes: Buffer<u8>,
}

impl Storage {
    /// Makes room for frames of [`Config::frame_max`](super::Config::frame_max) bytes, for as many other nodes
    /// ([`PEERS_MAX`](super::PEERS_MAX) or fewer) and frames that can be repaired (any number, also
    /// none).
    ///
    /// # Errors
    ///
    /// That of [`Buffer::from_fn`].
    pub fn new(frame_max: usize, peers: usize, backlog: usize) -> Result<Self, buffer::Error> {
        Ok(Self {
            frame: Buffer::from_fn(frame_max, || 0)?,
            control: Buffer::from_fn(HEADER_LEN + CONTROL_MAX, || 0)?,
            suspects: Buffer::from_fn(SUSPECTS_MAX, Suspect::default)?,
            peers: Buffer::from_fn(peers, Peer::default)?,
            backlog: Buffer::from_fn(backlog, RingFrame::default)?,
            backlog_bytes: Buffer::from_fn(backlog * ring_bytes(frame_max), || 0)?,
        })
    }
}
