// SPDX-License-Identifier: GPL-2.0

//! Storage of a fixed size; in the module it is a `KVec`.

use std::ops::{Deref, DerefMut};

/// Owned storage that is made by the caller and handed in.
#[derive(Debug)]
pub struct Buffer<T>(Vec<T>);

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
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
