// SPDX-License-Identifier: GPL-2.0

//! Memory of a fixed size, made here and handed to the protocol core and to the queue.
//!
//! The host tests supply types of the same names over `Vec`.

use core::ops::{Deref, DerefMut};

use kernel::alloc::KVVec;
use kernel::prelude::*;

/// Why there is none.
pub use kernel::error::Error;

/// Owned storage that derefs to a slice.
pub struct Buffer<T>(KVVec<T>);

impl<T> Buffer<T> {
    /// A buffer of `length` elements, each made by `element`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn from_fn(length: usize, mut element: impl FnMut() -> T) -> Result<Self> {
        let mut elements = KVVec::with_capacity(length, GFP_KERNEL)?;
        for _ in 0..length {
            elements.push(element(), GFP_KERNEL)?;
        }
        Ok(Self(elements))
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
