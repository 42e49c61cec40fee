// SPDX-License-Identifier: GPL-2.0

//! What deserves a line in the log.

/// Something that an administrator wants to know once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Notice {
    /// This backup has all that the primary has.
    Synced,
    /// This backup lacks something, or does not hear the primary any more.
    SyncLost,
    /// Another node is primary as well.
    SplitBrain,
    /// Another node uses an id that is in use.
    DuplicateNodeId,
    /// The conntrack table of this backup is smaller than the primary's.
    TableSmaller,
    /// This primary found that a later epoch had been; it took a higher one.
    Repromoted,
    /// There are more nodes than can be kept apart.
    PeersFull,
}

impl Notice {
    /// All notices, in the order in which they are given.
    const ALL: [Notice; 7] = [
        Notice::Synced,
        Notice::SyncLost,
        Notice::SplitBrain,
        Notice::DuplicateNodeId,
        Notice::TableSmaller,
        Notice::Repromoted,
        Notice::PeersFull,
    ];
    /// Those that are given once in each role and stream: their cause repeats with every frame.
    const ONCE: u8 =
        Notice::DuplicateNodeId.bit() | Notice::TableSmaller.bit() | Notice::PeersFull.bit();

    /// The bit that stands for it.
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of notices; as an iterator it gives them and becomes empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notices {
    raised: u8,
    /// Those of [`Notice::ONCE`] that have been raised.
    told: u8,
}

impl Notices {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.raised == 0
    }

    /// Whether `notice` is in the set.
    pub fn contains(&self, notice: Notice) -> bool {
        self.raised & notice.bit() != 0
    }

    /// Adds a notice. Returns false if it was told before and is not to be repeated.
    pub(super) fn raise(&mut self, notice: Notice) -> bool {
        let fresh = self.told & notice.bit() == 0;
        if fresh {
            self.raised |= notice.bit();
            self.told |= notice.bit() & Notice::ONCE;
        }
        fresh
    }

    /// Lets all notices be given again.
    pub(super) fn rearm(&mut self) {
        self.told = 0;
    }

    /// Takes what was raised.
    pub(super) fn drain(&mut self) -> Notices {
        let raised = core::mem::take(&mut self.raised);
        Notices { raised, told: 0 }
    }
}

impl Iterator for Notices {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        let notice = Notice::ALL.into_iter().find(|&n| self.contains(n))?;
        self.raised &= !notice.bit();
        Some(notice)
    }
}
