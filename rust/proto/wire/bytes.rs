// SPDX-License-Identifier: GPL-2.0

//! Reading and writing of big-endian fields without a way to go out of bounds.

/// A length that takes two more bytes.
const LENGTH_LONG: u8 = 255;
/// Most bytes that a length takes.
pub(super) const LENGTH_MAX: usize = 3;

/// Takes fields off the front of a slice.
#[derive(Clone, Copy)]
pub(in crate::proto) struct Reader<'a>(pub(in crate::proto) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `N` bytes, or `None` if there are fewer (then nothing is taken).
    pub(in crate::proto) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The next `len` bytes.
    pub(in crate::proto) fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// The next byte.
    pub(in crate::proto) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes as a number.
    pub(in crate::proto) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes as a number.
    pub(in crate::proto) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes as a number.
    pub(in crate::proto) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next length: one byte, or three from 255 on.
    pub(in crate::proto) fn length(&mut self) -> Option<usize> {
        match self.u8()? {
            LENGTH_LONG => self.u16().map(usize::from),
            short => Some(usize::from(short)),
        }
    }

    /// Whether nothing is left.
    pub(in crate::proto) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Puts fields into a slice, from its front; remembers when they did not fit.
pub(in crate::proto) struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `bytes`.
    pub(in crate::proto) fn new(bytes: &'a mut [u8]) -> Self {
        Self {
            bytes,
            len: 0,
            overflow: false,
        }
    }

    /// Bytes written in all, or `None` if not everything fitted.
    pub(in crate::proto) fn finish(self) -> Option<usize> {
        (!self.overflow).then_some(self.len)
    }

    /// Writes bytes as they are.
    pub(in crate::proto) fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        match self.bytes.get_mut(self.len..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.overflow = true,
        }
    }

    /// Writes a byte.
    pub(in crate::proto) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Writes a number in two bytes.
    pub(in crate::proto) fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Writes a number in four bytes.
    pub(in crate::proto) fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Writes a number in eight bytes.
    pub(in crate::proto) fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// Writes what `body` writes, with its length in one byte before it.
    pub(in crate::proto) fn prefixed(&mut self, body: impl FnOnce(&mut Self)) {
        let at = self.len;
        self.u8(0);
        body(self);
        let written = u8::try_from(self.len.saturating_sub(at + 1));
        match (self.bytes.get_mut(at), written) {
            (Some(place), Ok(len)) => *place = len,
            _ => self.overflow = true,
        }
    }

    /// Writes what `body` writes, with its length before it: one byte, or three from 255 on.
    pub(in crate::proto) fn prefixed_long(&mut self, body: impl FnOnce(&mut Self)) {
        let at = self.len;
        self.u8(0);
        body(self);
        let written = self.len.saturating_sub(at + 1);
        if written < usize::from(LENGTH_LONG) {
            let [.., low] = written.to_be_bytes();
            return self.replace(at, &[low]);
        }
        // Few records are as long: they are moved.
        let end = self.len;
        self.u16(0);
        let long = u16::try_from(written).map(u16::to_be_bytes);
        match (self.bytes.get_mut(at + 1..end + 2), long) {
            (Some(place), Ok([high, low])) => {
                place.copy_within(..written, 2);
                self.replace(at, &[LENGTH_LONG, high, low]);
            }
            _ => self.overflow = true,
        }
    }

    /// Writes bytes over others that were written.
    fn replace(&mut self, at: usize, bytes: &[u8]) {
        match self.bytes.get_mut(at..at + bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.overflow = true,
        }
    }
}
