// SPDX-License-Identifier: GPL-2.0

//! Storage of a fixed size; in the module it is a `KVec`.

use std::convert::Infallible;
use std::ops::{Deref, DerefMut};

/// Memory never ends here.
pub type Error = Infallible;

/// Owned storage that is made by the caller and handed in.
#[derive(Debug)]
pub struct Buffer<T>(Vec<T>);

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T> Buffer<T> {
    /// A buffer of `length` elements, each made by `element`.
    pub fn from_fn(length: usize, mut element: impl FnMut() -> T) -> Result<Self, Error> {
        Ok(Self((0..length).map(|_| element()).collect()))
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
