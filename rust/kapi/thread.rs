// SPDX-License-Identifier: GPL-2.0

//! Kernel threads, the signal that wakes one, the clock and the number of the CPU.
//!
//! Dropping a [`Kthread`] asks it to stop and waits: `kthread_stop()` returns after the body has.

use core::cell::UnsafeCell;
use core::ffi::{c_void, CStr};
use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::types::NotThreadSafe;

use super::abi;
use crate::proto::Time;

/// What a thread does.
pub(crate) trait Body: Send + 'static {
    /// Runs until `stop` says so.
    fn run(&mut self, stop: &Stop);
}

/// Proof that the current task is a thread started by [`Kthread`].
///
/// # Invariants
///
/// Exists only while the body of such a thread runs, and only on that thread.
pub(crate) struct Stop(NotThreadSafe);

impl Stop {
    /// Whether the owner of the thread waits for it to end.
    ///
    /// Lets other tasks run first, so that a loop that asks is polite.
    pub(crate) fn should_stop(&self) -> bool {
        // SAFETY: By the type invariant this is a thread, which may sleep here: `Body::run` calls
        // this with no lock held.
        unsafe { abi::ct_sync_cond_resched() };
        // SAFETY: By the type invariant the current task is a kthread.
        unsafe { abi::kthread_should_stop() }
    }
}

/// A running thread; asked to stop and waited for when dropped.
///
/// # Invariants
///
/// `task` is a thread that `ct_sync_thread_start` returned, with its reference. `body` came from
/// `KBox::into_raw`, and only the thread uses it until it has ended.
pub(crate) struct Kthread<T: Body> {
    task: NonNull<abi::task_struct>,
    body: NonNull<T>,
}

// SAFETY: Any task may stop a kthread and drop its reference (kthread_stop_put); `T` is `Send`.
unsafe impl<T: Body> Send for Kthread<T> {}

impl<T: Body> Kthread<T> {
    /// Starts a thread named `name/namespace_id`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINTR`.
    pub(crate) fn start(body: KBox<T>, name: &CStr, namespace_id: u32) -> Result<Self> {
        let body = KBox::into_raw(body);
        // SAFETY: `run_body::<T>` takes a pointer to a `T`, which lives until `drop` has waited
        // for the thread; the name ends with NUL.
        let task = unsafe {
            abi::ct_sync_thread_start(run_body::<T>, body.cast(), name.as_char_ptr(), namespace_id)
        };
        let started = kernel::error::from_err_ptr(task).and_then(|task| {
            Ok((
                NonNull::new(task).ok_or(ENOMEM)?,
                NonNull::new(body).ok_or(ENOMEM)?,
            ))
        });
        match started {
            // INVARIANT: Just started, with its reference and with this body.
            Ok((task, body)) => Ok(Self { task, body }),
            Err(err) => {
                // SAFETY: No thread was started, so the body is ours alone again.
                drop(unsafe { KBox::from_raw(body) });
                Err(err)
            }
        }
    }
}

impl<T: Body> Drop for Kthread<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours; it is not used again.
        unsafe { abi::kthread_stop_put(self.task.as_ptr()) };
        // SAFETY: By the type invariant it came from `into_raw`, and the thread has ended.
        drop(unsafe { KBox::from_raw(self.body.as_ptr()) });
    }
}

/// The C entry of a thread.
///
/// # Safety
///
/// `data` points to a `T` that only this thread uses, and that outlives it.
unsafe extern "C" fn run_body<T: Body>(data: *mut c_void) -> i32 {
    // SAFETY: By the caller's promise.
    let body = unsafe { &mut *data.cast::<T>() };
    // INVARIANT: This is the thread's own body, and `Stop` cannot leave the thread.
    body.run(&Stop(NotThreadSafe));
    0
}

/// Wakes the one thread that waits for it. Raising takes no lock and does little when the signal
/// is raised already.
pub(crate) struct Signal(UnsafeCell<abi::ct_sync_signal>);

// SAFETY: All access goes through the helpers, which use atomic operations and RCU.
unsafe impl Send for Signal {}
// SAFETY: As above.
unsafe impl Sync for Signal {}

impl Signal {
    /// A signal that is not raised.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(abi::ct_sync_signal {
            task: core::ptr::null_mut(),
            raised: 0,
            reserved: 0,
        }))
    }

    /// Raises the signal. What was written before is seen by the thread that wakes.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn raise(&self) {
        // SAFETY: The struct is initialised and lives as long as `self`.
        unsafe { abi::ct_sync_signal_raise(self.0.get()) }
    }

    /// Waits until the signal is raised, the thread is to stop or `timeout_ns` are over, and
    /// lowers the signal. One thread only waits for a signal.
    pub(crate) fn wait(&self, _stop: &Stop, timeout_ns: u64) {
        // SAFETY: The struct is initialised and lives as long as `self`; `Stop` proves a kthread.
        unsafe { abi::ct_sync_signal_wait(self.0.get(), timeout_ns) }
    }
}

/// The monotonic clock.
pub(crate) fn now() -> Time {
    // SAFETY: `ktime_get()` may be called from any context.
    Time(unsafe { abi::ktime_get() } as u64)
}

/// What a line in the log is about. Of each there are 20 lines in 5 s at most, so that nobody can
/// flood the log, and mistakes hide nothing.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Subject {
    /// What somebody tried in vain.
    Mistake = 0,
    /// What has changed on this node.
    Change = 1,
    /// What this node noticed about the cluster.
    Cluster = 2,
}

const _: () = assert!(Subject::Cluster as usize + 1 == abi::CT_SYNC_LOG_SUBJECTS);

/// Whether one more line about the subject may be logged; see [`crate::log`].
pub(crate) fn log_allowed(subject: Subject) -> bool {
    // SAFETY: `__ratelimit()` may be called from any context.
    unsafe { abi::ct_sync_log_allowed(subject as u32) }
}

/// A random number.
pub(crate) fn random() -> u32 {
    // SAFETY: `get_random_u32()` may be called from any context.
    unsafe { abi::get_random_u32() }
}

/// How many CPUs there may be: numbers of CPUs are below it.
pub(crate) fn cpus() -> usize {
    // SAFETY: Reads a variable that does not change after boot.
    unsafe { abi::ct_sync_cpus() as usize }
}

/// The CPU that this runs on; without preemption disabled, the one it ran on a moment ago.
pub(crate) fn this_cpu() -> usize {
    // SAFETY: `raw_smp_processor_id()` may be called from any context.
    unsafe { abi::ct_sync_this_cpu() as usize }
}
