// SPDX-License-Identifier: GPL-2.0

//! The numbered frame that a primary is filling.

use super::time::Time;
use super::wire::bytes::Writer;
use super::wire::header::{Header, HEADER_LEN};
use super::wire::write::{MARKER_MAX, RECORD_COMMON, RECORD_MAX};
use crate::buffer::Buffer;

/// Smallest `frame_max` that can carry any record, in bytes; every MTU is far above it.
pub const FRAME_MIN: usize = HEADER_LEN + RECORD_MAX + MARKER_MAX;

/// A frame under construction.
pub(super) struct FrameBuilder {
    bytes: Buffer<u8>,
    /// Most bytes that a frame may have.
    limit: usize,
    /// Bytes filled, with the header.
    len: usize,
    /// Records in it.
    count: u16,
    /// When the first of them came.
    opened: Option<Time>,
    /// Whether a record had no room in it.
    closed: bool,
}

impl FrameBuilder {
    /// Starts an empty frame of at most `limit` bytes, and at most what `bytes` holds.
    pub(super) fn new(bytes: Buffer<u8>, limit: usize) -> Self {
        Self {
            bytes,
            limit,
            len: HEADER_LEN,
            count: 0,
            opened: None,
            closed: false,
        }
    }

    /// Changes the limit, for this frame as far as it is not exceeded already.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that are free. The payload's length must fit its field.
    fn room(&self) -> usize {
        self.limit
            .min(self.bytes.len())
            .min(HEADER_LEN + usize::from(u16::MAX))
            .saturating_sub(self.len)
    }

    /// Whether most records, and a mark after them, can be appended; an empty frame says yes.
    pub(super) fn is_open(&self) -> bool {
        let room = self.room() >= RECORD_COMMON + MARKER_MAX;
        self.count == 0 || (room && !self.closed)
    }

    /// Whether a record of `need` bytes, and a mark after it, can be appended; an empty frame says
    /// yes. If not, the frame is closed.
    pub(super) fn has_room(&mut self, need: usize) -> bool {
        self.closed |= self.count != 0 && self.room() < need + MARKER_MAX;
        self.is_open()
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When the first record came, `None` while it is empty.
    pub(super) fn opened(&self) -> Option<Time> {
        self.opened
    }

    /// Appends the one record that `write` writes. Returns false, and appends nothing, if it does
    /// not fit.
    pub(super) fn append(&mut self, now: Time, write: impl FnOnce(&mut Writer<'_>)) -> bool {
        let (at, room) = (self.len, self.room());
        let Some(place) = self.bytes.get_mut(at..at + room) else {
            return false;
        };
        let mut w = Writer::new(place);
        write(&mut w);
        let Some(written) = w.finish() else {
            return false;
        };
        self.len += written;
        self.count += 1;
        self.opened.get_or_insert(now);
        true
    }

    /// Completes the frame with its header and starts the next one.
    ///
    /// Returns the frame, and the number of records in it; nothing when it is empty.
    pub(super) fn seal(&mut self, header: Header) -> Option<(&[u8], u16)> {
        if self.is_empty() {
            return None;
        }
        let (len, count) = (self.len, self.count);
        self.clear();
        let payload = u16::try_from(len - HEADER_LEN).ok()?;
        let frame = self.bytes.get_mut(..len)?;
        Header { count, ..header }.encode(payload, frame);
        Some((frame, count))
    }

    /// Drops what is in it.
    pub(super) fn clear(&mut self) {
        self.len = HEADER_LEN;
        self.count = 0;
        self.opened = None;
        self.closed = false;
    }
}
