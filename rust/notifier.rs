// SPDX-License-Identifier: GPL-2.0

//! From a conntrack event to a key in the queue. On a backup only the end of a copy matters that
//! nobody has asked for.
//!
//! Runs in softirq, or in the process that deletes an entry, under RCU. It never sleeps, never
//! allocates and takes no lock. What it cannot queue is not lost: an entry keeps its dirty bit and
//! is found by a scan, and the end of a connection is refused, so that the kernel keeps the dying
//! entry and offers it again.

use kernel::prelude::*;

use crate::conntrack::{changes_silently, masquerade, status};
use crate::engine::Engine;
use crate::kapi::conn::Conn;
use crate::kapi::notifier::{Events, Listener};
use crate::proto::Key;
use crate::stats::Counter;

impl Listener for Engine {
    fn event(&self, events: Events, conn: &Conn) -> Result {
        handle(self, events, conn)
    }

    /// What is expected now is read by the sender.
    fn expectation(&self, master: &Conn) {
        tell_of(self, master);
    }

    /// A helper's NAT changes sequence numbers without an event. What a packet has changed is told
    /// of when the next one comes, in whatever direction.
    fn packet(&self, conn: &Conn) {
        if changes_silently(conn) {
            tell_of(self, conn);
        }
    }
}

/// Has a connection told of though no event is about itself.
fn tell_of(engine: &Engine, conn: &Conn) {
    if !conn.is_dying() {
        // Only the end of a connection is refused.
        let _ = handle(engine, Events::NONE, conn);
    }
}

/// Takes an event.
///
/// # Errors
///
/// `ENOSPC` when the end of a connection found the ring full.
fn handle(engine: &Engine, events: Events, conn: &Conn) -> Result {
    if !engine.is_primary() {
        if events.is_end() && status::take_loss(conn) {
            engine.note_loss();
        }
        return Ok(());
    }
    if conn.is_template() {
        return Ok(());
    }
    let cpu = engine.this_cpu();
    cpu.stats.count(Counter::EventsSeen);
    if events.is_end() {
        // Of an entry that was never sent, peers need not hear.
        if !status::is_shared(conn) {
            return Ok(());
        }
        if masquerade::has_lost_address(conn) {
            cpu.stats.count(Counter::EndsByLostAddress);
            engine.note_lost_address();
            return Ok(());
        }
        return queue_end(engine, conn.key());
    }
    if !status::mark_dirty(conn) {
        cpu.stats.count(Counter::EventsCoalesced);
        return Ok(());
    }
    if cpu.queue.push(&conn.key()).is_err() {
        cpu.stats.count(Counter::EventsRingFull);
        engine.request_scan();
    }
    engine.wake();
    Ok(())
}

/// Queues the end of a connection.
fn queue_end(engine: &Engine, mut key: Key) -> Result {
    let cpu = engine.this_cpu();
    key.hints = Key::DESTROYED;
    let queued = cpu.queue.push(&key);
    engine.wake();
    queued.map_err(|_| {
        cpu.stats.count(Counter::EventsDestroyDeferred);
        ENOSPC
    })
}
