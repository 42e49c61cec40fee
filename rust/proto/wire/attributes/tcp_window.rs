// SPDX-License-Identifier: GPL-2.0

//! TCP_WINDOW: the exact windows of a TCP connection that is being opened (§4.4).

use crate::proto::entry::{Entry, TcpWindow};
use crate::proto::inverse::TCP;
use crate::proto::wire::attribute::{self, HEAD};
use crate::proto::wire::bytes::{Reader, Writer};

/// Type of the attribute.
pub(super) const KIND: u8 = 3;
/// Its length in bytes.
pub(super) const MAX: usize = HEAD + 2 * 16;

/// What an entry has where its windows are told.
const BOTH: u8 = Entry::HAS_TCP | Entry::HAS_TCP_WINDOW;

/// Writes the windows of a TCP connection whose state is told as well.
pub(super) fn put(w: &mut Writer<'_>, entry: &Entry) {
    let has = entry.has & BOTH == BOTH;
    if has && entry.key.protocol == TCP {
        attribute::put(w, KIND, |w| {
            entry
                .tcp_window
                .iter()
                .for_each(|window| put_window(w, window));
        });
    }
}

/// Writes the window of one direction.
fn put_window(w: &mut Writer<'_>, window: &TcpWindow) {
    w.u32(window.end);
    w.u32(window.max_end);
    w.u32(window.max_window);
    w.u32(window.max_ack);
}

/// Reads the windows of both directions of a TCP connection.
pub(super) fn take(r: &mut Reader<'_>, entry: &mut Entry) -> Option<()> {
    if entry.key.protocol != TCP {
        return None;
    }
    for window in &mut entry.tcp_window {
        *window = TcpWindow {
            end: r.u32()?,
            max_end: r.u32()?,
            max_window: r.u32()?,
            max_ack: r.u32()?,
        };
    }
    entry.has |= Entry::HAS_TCP_WINDOW;
    Some(())
}

/// Whether an entry has windows only: they say nothing without the state, the scales and the flags.
pub(super) fn is_alone(entry: &Entry) -> bool {
    entry.has & BOTH == Entry::HAS_TCP_WINDOW
}
