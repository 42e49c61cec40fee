// SPDX-License-Identifier: GPL-2.0

//! Our bits of `nf_conn.status`, what they mean, and who changes which.
//!
//! The kernel uses bits 0 to 15, and netlink shows the low 32; the word has 64. All changes are
//! atomic, as the kernel's own are. Any context.

use crate::kapi::conn::{Bit, Conn, Fields};

/// An event was queued, and the sender has not read the entry since.
pub(crate) const DIRTY: Bit = Bit::own(32);
/// Peers know this entry: it was sent, or it was received.
pub(crate) const SHARED: Bit = Bit::own(33);
/// `IP_CT_TCP_FLAG_BE_LIBERAL` was set here, by us: original, reply direction.
pub(crate) const GRACE: [Bit; 2] = [Bit::own(34), Bit::own(35)];
/// Both of these.
pub(crate) const GRACE_MASK: usize = GRACE[0].mask() | GRACE[1].mask();
/// Its timeout is fixed, by us: it waits for the primary's word.
pub(crate) const PINNED: Bit = Bit::own(36);
/// It is masqueraded, and was tied to an interface on another node, or before a demotion.
pub(crate) const MASQUERADED: Bit = Bit::own(37);
/// To an address of the interface itself that it leaves by.
pub(crate) const OF_INTERFACE: Bit = Bit::own(38);
/// The resync or walk that touched it last, 1 to 255; 0 is none.
const MARK_SHIFT: u32 = 40;
const MARK_MASK: usize = 0xff << MARK_SHIFT;

/// The mark in a word of status bits.
pub(crate) const fn with_mark(mark: u8) -> usize {
    (mark as usize) << MARK_SHIFT
}

/// The resync or walk that touched an entry last.
pub(crate) fn mark_of(entry: &Fields) -> u8 {
    ((entry.status().load() & MARK_MASK) >> MARK_SHIFT) as u8
}

/// Notes that a walk or a resync has touched an entry.
pub(crate) fn set_mark(entry: &Fields, mark: u8) {
    entry.status().change(MARK_MASK, with_mark(mark));
}

/// Notes that peers know an entry, by the resync `mark`.
pub(crate) fn share(entry: &Fields, mark: u8) {
    entry
        .status()
        .change(MARK_MASK, SHARED.mask() | with_mark(mark));
}

/// Sets the dirty bit. Returns whether it was clear, so that the key is to be queued.
pub(crate) fn mark_dirty(entry: &Fields) -> bool {
    !entry.status().test_and_set(DIRTY)
}

/// Whether peers know an entry.
pub(crate) fn is_shared(entry: &Fields) -> bool {
    entry.status().has(SHARED)
}

/// Before an entry is deleted because the primary does not have it: that is no loss.
///
/// The barrier pairs with [`take_loss`], which is called by whoever sets DYING.
pub(crate) fn renounce(entry: &Fields) {
    entry.status().test_and_clear(SHARED);
}

/// Whether the end of an entry on a backup is a loss: the primary has not said it (who deletes a
/// copy by its word renounces it before), and its time was not up, as of those with a timeout that
/// a rule of the user's has fixed. Says so once.
pub(crate) fn take_loss(conn: &Conn) -> bool {
    !conn.is_expired() && conn.status().test_and_clear(SHARED)
}

/// Whether an entry is in the table and is to stay there.
pub(crate) fn is_there(conn: &Conn) -> bool {
    conn.is_confirmed() && !conn.is_dying()
}

/// Clears what an earlier run has left in an entry: a mark that a new walk takes for its own would
/// hide the entry from it, and a dirty bit whose key is gone would hide its events.
pub(crate) fn forget(entry: &Fields) {
    entry.status().change(MARK_MASK | DIRTY.mask(), 0);
}
