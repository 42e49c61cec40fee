// SPDX-License-Identifier: GPL-2.0

//! The interface of `kernel::sync::atomic` over the host's atomics, or over loom's.
//!
//! The order is a type, as in the kernel. `Full` stands for a fully ordered operation.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// No order.
#[derive(Clone, Copy, Debug)]
pub struct Relaxed;
/// Later accesses stay behind.
#[derive(Clone, Copy, Debug)]
pub struct Acquire;
/// Earlier accesses stay in front.
#[derive(Clone, Copy, Debug)]
pub struct Release;
/// A full barrier before and after.
#[derive(Clone, Copy, Debug)]
pub struct Full;

/// An order that a load can have.
pub trait LoadOrder {
    /// The host's name of it.
    const ORDER: Ordering;
}

/// An order that a store can have.
pub trait StoreOrder {
    /// The host's name of it.
    const ORDER: Ordering;
}

/// An order that a read-modify-write can have.
pub trait AnyOrder {
    /// The host's name of it.
    const ORDER: Ordering;
    /// The same for the read of a compare that fails.
    const FAILED: Ordering;
}

/// Says under what names an order goes.
macro_rules! order {
    ($trait:ident for $order:ty: $($constant:ident = $value:ident),+) => {
        impl $trait for $order {
            $(const $constant: Ordering = Ordering::$value;)+
        }
    };
}

order!(LoadOrder for Relaxed: ORDER = Relaxed);
order!(LoadOrder for Acquire: ORDER = Acquire);
order!(StoreOrder for Relaxed: ORDER = Relaxed);
order!(StoreOrder for Release: ORDER = Release);
order!(AnyOrder for Relaxed: ORDER = Relaxed, FAILED = Relaxed);
order!(AnyOrder for Acquire: ORDER = Acquire, FAILED = Relaxed);
order!(AnyOrder for Release: ORDER = Release, FAILED = Relaxed);
order!(AnyOrder for Full: ORDER = SeqCst, FAILED = SeqCst);

/// An integer that [`Atomic`] can hold.
pub trait AtomicType: Copy {
    /// The host's atomic of it.
    type Repr;
    /// Makes one.
    fn repr(value: Self) -> Self::Repr;
    /// Reads it.
    fn load(repr: &Self::Repr, order: Ordering) -> Self;
    /// Writes it.
    fn store(repr: &Self::Repr, value: Self, order: Ordering);
    /// Writes it and returns what was there.
    fn swap(repr: &Self::Repr, value: Self, order: Ordering) -> Self;
    /// Adds to it and returns what was there.
    fn fetch_add(repr: &Self::Repr, value: Self, order: Ordering) -> Self;
    /// Writes it if it is `old`.
    fn cmpxchg(
        repr: &Self::Repr,
        old: Self,
        new: Self,
        order: Ordering,
        failed: Ordering,
    ) -> Result<Self, Self>;
}

/// Implements [`AtomicType`] for an integer.
macro_rules! atomic_type {
    ($integer:ty, $atomic:ty) => {
        impl AtomicType for $integer {
            type Repr = $atomic;

            fn repr(value: Self) -> $atomic {
                <$atomic>::new(value)
            }

            fn load(repr: &$atomic, order: Ordering) -> Self {
                repr.load(order)
            }

            fn store(repr: &$atomic, value: Self, order: Ordering) {
                repr.store(value, order);
            }

            fn swap(repr: &$atomic, value: Self, order: Ordering) -> Self {
                repr.swap(value, order)
            }

            #[cfg(not(feature = "one_thread"))]
            fn fetch_add(repr: &$atomic, value: Self, order: Ordering) -> Self {
                repr.fetch_add(value, order)
            }

            #[cfg(feature = "one_thread")]
            fn fetch_add(repr: &$atomic, value: Self, _: Ordering) -> Self {
                let old = repr.load(Ordering::Relaxed);
                repr.store(old.wrapping_add(value), Ordering::Relaxed);
                old
            }

            fn cmpxchg(
                repr: &$atomic,
                old: Self,
                new: Self,
                order: Ordering,
                failed: Ordering,
            ) -> Result<Self, Self> {
                repr.compare_exchange(old, new, order, failed)
            }
        }
    };
}

atomic_type!(u32, AtomicU32);
atomic_type!(u64, AtomicU64);

/// An integer that several threads may use.
#[derive(Debug)]
pub struct Atomic<T: AtomicType>(T::Repr);

impl<T: AtomicType> Atomic<T> {
    /// Makes one.
    pub fn new(value: T) -> Self {
        Self(T::repr(value))
    }

    /// Reads it.
    pub fn load<O: LoadOrder>(&self, _: O) -> T {
        T::load(&self.0, O::ORDER)
    }

    /// Writes it.
    pub fn store<O: StoreOrder>(&self, value: T, _: O) {
        T::store(&self.0, value, O::ORDER);
    }

    /// Writes it and returns what was there.
    pub fn xchg<O: AnyOrder>(&self, value: T, _: O) -> T {
        T::swap(&self.0, value, O::ORDER)
    }

    /// Adds to it and returns what was there.
    pub fn fetch_add<O: AnyOrder>(&self, value: T, _: O) -> T {
        T::fetch_add(&self.0, value, O::ORDER)
    }

    /// Writes `new` if it is `old`. Returns what was there.
    ///
    /// # Errors
    ///
    /// What is there, if it is not `old`.
    pub fn cmpxchg<O: AnyOrder>(&self, old: T, new: T, _: O) -> Result<T, T> {
        T::cmpxchg(&self.0, old, new, O::ORDER, O::FAILED)
    }
}
