// SPDX-License-Identifier: GPL-2.0

//! The receiver thread: datagrams are checked and applied to the table.
//!
//! Context: a kthread of its own. One frame is applied while the mutex of the protocol is held.

use kernel::prelude::*;
use kernel::sync::Arc;

use crate::conntrack::Policies;
use crate::engine::{Engine, FRAME_MAX};
use crate::kapi::socket::Datagram;
use crate::kapi::thread::{self, Body, Stop};
use crate::stats::Counter;
use crate::table::Replica;

/// The hop limit of a datagram that no router has touched (RFC 5082).
const HOP_LIMIT_ON_LINK: u8 = 255;

/// What the receiver thread works with.
pub(crate) struct Receiver {
    engine: Arc<Engine>,
    frame: KVec<u8>,
    policies: Policies,
}

impl Body for Receiver {
    fn run(&mut self, stop: &Stop) {
        while !stop.should_stop() {
            self.engine.socket.wait(stop);
            self.drain(stop);
        }
    }
}

impl Receiver {
    /// A receiver that has received nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(engine: Arc<Engine>) -> Result<KBox<Self>> {
        let frame = KVec::from_elem(0, FRAME_MAX as usize, GFP_KERNEL)?;
        let receiver = Self {
            engine,
            frame,
            policies: Policies::default(),
        };
        Ok(KBox::new(receiver, GFP_KERNEL)?)
    }

    /// Takes all datagrams that wait.
    fn drain(&mut self, stop: &Stop) {
        while !stop.should_stop() {
            match self.engine.socket.receive(&mut self.frame) {
                Ok(Some(datagram)) => self.handle(&datagram),
                Ok(None) => return,
                // An error that was queued on the socket, as for a peer that is not there.
                Err(_) => self.engine.stats.count(Counter::ReceiveFailed),
            }
        }
    }

    /// Gives one datagram to the protocol.
    fn handle(&mut self, datagram: &Datagram) {
        let engine = &self.engine;
        if datagram.hop_limit != Some(HOP_LIMIT_ON_LINK) {
            engine.stats.count(Counter::FramesReceived);
            return engine.stats.count(Counter::FramesBadTtl);
        }
        if !engine.transport.accepts(&datagram.from) {
            engine.stats.count(Counter::FramesReceived);
            return engine.stats.count(Counter::FramesUnknownPeer);
        }
        let Some(frame) = self.frame.get(..datagram.length) else {
            engine.stats.count(Counter::FramesReceived);
            return engine.stats.count(Counter::FramesTooLong);
        };
        let mut table = Replica {
            table: engine.table,
            policies: &mut self.policies,
            stats: &engine.stats,
        };
        let mut node = engine.node.lock();
        node.handle_frame(
            frame,
            datagram.from,
            thread::now(),
            &mut table,
            &engine.stats,
        );
        let due = node.poll_timeout();
        drop(node);
        engine.wake_for(due);
    }
}
