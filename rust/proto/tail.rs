// SPDX-License-Identifier: GPL-2.0

//! Heartbeats behind the last data frame, so that it is noticed soon if that frame is lost (§6).

use super::time::{Time, NS_PER_MS};

/// A heartbeat follows this long after the last data frame, again after twice the time and so on,
/// so that a lost tail is noticed before the next regular one.
const TAIL_NS: u64 = 50 * NS_PER_MS;

/// When they are due.
pub(super) struct Tail {
    /// When the next one is, and how long it was waited for.
    due: Option<(Time, u64)>,
    /// Whether a data frame was sent since there was last nothing to send.
    busy: bool,
}

impl Tail {
    /// Nothing was sent.
    pub(super) const NONE: Tail = Tail {
        due: None,
        busy: false,
    };

    /// Takes the news that a data frame with something live in it is sent.
    pub(super) fn note_sent(&mut self) {
        (self.due, self.busy) = (None, true);
    }

    /// Takes the news that there is nothing to send any more: the time begins now, since on a link
    /// that hardly moves each frame takes longer than it.
    pub(super) fn note_idle(&mut self, now: Time) {
        if core::mem::take(&mut self.busy) {
            self.due = Some((now.after(TAIL_NS), TAIL_NS));
        }
    }

    /// When the next of these heartbeats is due.
    pub(super) fn at(&self) -> Option<Time> {
        self.due.map(|(at, _)| at)
    }

    /// Takes the news that a heartbeat is sent; they become fewer, up to the regular `period`.
    pub(super) fn note_heartbeat(&mut self, now: Time, period: u64) {
        self.due = self.due.and_then(|(at, waited)| {
            let next = waited.saturating_mul(2);
            match now >= at {
                true => (next < period).then(|| (now.after(next), next)),
                false => Some((at, waited)),
            }
        });
    }
}
