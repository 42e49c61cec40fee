// SPDX-License-Identifier: GPL-2.0

//! The last frames of a stream in a ring: what is remembered of each, and what became of it.

use super::time::Time;
use super::wire::bytes::Writer;
use super::wire::header::HEADER_LEN;
use crate::buffer::Buffer;

/// What is kept of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct RingFrame {
    /// Its number, 0 while the place is free.
    seq: u64,
    /// Bytes of records that are remembered of it.
    len: u16,
    /// Whether a backup lacks it.
    pub(super) wanted: bool,
    /// The frame that made it good, 0 if none has.
    pub(super) repaired_by: u64,
    /// When that was.
    pub(super) repaired_at: Time,
}

/// Bytes of records that a frame of at most `frame_max` bytes needs.
pub(super) const fn ring_bytes(frame_max: usize) -> usize {
    frame_max.saturating_sub(HEADER_LEN)
}

/// The ring. A frame has the place that its number gives, so the newest takes that of the oldest.
pub(super) struct Ring {
    frames: Buffer<RingFrame>,
    /// As many bytes for each frame.
    bytes: Buffer<u8>,
}

impl Ring {
    /// An empty ring. `bytes` is shared by the frames in equal parts.
    pub(super) fn new(frames: Buffer<RingFrame>, bytes: Buffer<u8>) -> Self {
        let mut ring = Self { frames, bytes };
        ring.clear();
        ring
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.frames.fill(RingFrame::default());
    }

    /// How many frames it holds at most.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The place of a number, `None` if there are no places.
    fn place(&self, seq: u64) -> Option<usize> {
        let place = seq.checked_rem(self.frames.len() as u64)?;
        usize::try_from(place).ok()
    }

    /// The frame with a number, if it is there, to change it.
    pub(super) fn frame_mut(&mut self, seq: u64) -> Option<&mut RingFrame> {
        let place = self.place(seq)?;
        self.frames.get_mut(place).filter(|frame| frame.seq == seq)
    }

    /// The same, to look at.
    pub(super) fn frame(&self, seq: u64) -> Option<RingFrame> {
        let frame = self.frames.get(self.place(seq)?)?;
        (frame.seq == seq).then_some(*frame)
    }

    /// Where the bytes of a place are.
    fn part(&self, place: usize) -> core::ops::Range<usize> {
        let each = self.bytes.len().checked_div(self.frames.len()).unwrap_or(0);
        place * each..(place + 1) * each
    }

    /// The bytes that are remembered of a frame; none if it is not there.
    pub(super) fn bytes(&self, seq: u64) -> &[u8] {
        let len = self.frame(seq).map_or(0, |frame| usize::from(frame.len));
        let part = self.place(seq).map(|place| self.part(place));
        let bytes = part.and_then(|part| self.bytes.get(part));
        bytes.and_then(|bytes| bytes.get(..len)).unwrap_or_default()
    }

    /// Remembers of frame `seq` what `write` writes, in place of the oldest frame. What does not fit
    /// is not remembered. Returns the frame that was in the place, `None` if there are no places.
    pub(super) fn store(
        &mut self,
        seq: u64,
        write: impl FnOnce(&mut Writer<'_>),
    ) -> Option<RingFrame> {
        let place = self.place(seq)?;
        let part = self.part(place);
        let mut w = Writer::new(self.bytes.get_mut(part).unwrap_or_default());
        write(&mut w);
        let len = w.finish().and_then(|len| u16::try_from(len).ok());
        let stored = match len {
            Some(len) => RingFrame {
                seq,
                len,
                ..RingFrame::default()
            },
            None => RingFrame::default(),
        };
        let frame = self.frames.get_mut(place)?;
        Some(core::mem::replace(frame, stored))
    }
}
