// SPDX-License-Identifier: GPL-2.0

//! Roles and streams: who numbers frames, and whose numbers count (§5).

/// What a node does at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Waits, and keeps its table equal to the primary's.
    #[default]
    Backup,
    /// Forwards, and tells the others.
    Primary,
}

/// One sequence of numbered frames: what one primary sends from its promotion to its demotion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stream {
    /// Epoch, from 1; 0 in [`Stream::NONE`].
    pub epoch: u64,
    /// The primary.
    pub node_id: u32,
    /// The life of the primary: another number after each start of the node.
    pub incarnation: u32,
}

/// How a stream stands to the one that is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Older: nothing of it may have an effect.
    Stale,
    /// The same.
    Current,
    /// To be followed from now on.
    Newer,
}

impl Stream {
    /// No stream: older than any other.
    pub const NONE: Stream = Stream {
        epoch: 0,
        node_id: 0,
        incarnation: 0,
    };

    /// What streams are ordered by.
    fn rank(&self) -> (u64, u32) {
        (self.epoch, self.node_id)
    }

    /// How `other` stands to this one, if this one is followed.
    ///
    /// Of two lives of one node in one epoch the one that comes in is the newer: frames of a life
    /// that is known to be over were refused before.
    pub(super) fn standing(&self, other: &Stream) -> Standing {
        if other.epoch == 0 || other.rank() < self.rank() {
            Standing::Stale
        } else if self == other {
            Standing::Current
        } else {
            Standing::Newer
        }
    }
}
