// SPDX-License-Identifier: GPL-2.0

//! What runs in a namespace while its syncdev is there: the queues, the protocol, the socket.
//!
//! The engine is shared by events (softirq), the sender and the receiver thread, and whoever
//! writes a knob. Events use the queues, the signal and single words only. The protocol is under
//! one mutex: a frame is applied, and a role changed, while it is held, so that after a promotion
//! has returned nothing of an older epoch is applied any more.
//!
//! Locks: the control mutex of the instance, outside of the mutex of `node`.

use core::mem::MaybeUninit;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};

use crate::atomic::{Atomic, Full, Relaxed};
use crate::buffer::Buffer;
use crate::config::{Id, Settings};
use crate::conntrack::{Conntrack, Filter};
use crate::kapi::net::Net;
use crate::kapi::netdev::Device;
use crate::kapi::socket::Socket;
use crate::kapi::thread::{self, Signal};
use crate::proto::entry::FAMILY_V6;
use crate::proto::time::{NS_PER_MS, NS_PER_S};
use crate::proto::{self, Key, Node, Storage, Time, PEERS_MAX};
use crate::queue::{Consumer, Queue, Slot};
use crate::stats::{Counter, Stats};
use crate::transport::Transport;

/// Keys that wait for the sender on one CPU, 64 bytes each. At 100 000 events a second on one CPU
/// the most are 40 ms, ten times the longest that the sender is expected to be away.
const QUEUE_LEN_MAX: usize = 4096;
/// The fewest, where there are many CPUs.
const QUEUE_LEN_MIN: usize = 512;
/// Keys on all CPUs together, as long as each has the fewest: 4 MiB.
const QUEUE_LEN_SUM: usize = 65_536;
/// Between two looks for connections whose TCP windows are known by now: a pass over the table
/// takes a tenth of a second for a million entries.
const GRACE_AGAIN_NS: u64 = 5 * NS_PER_S;
/// After a takeover, masqueraded copies wait as long for this node to get their address: VRRP gives
/// it before or after it writes `state`, within a second as a rule.
const SETTLE_NS: u64 = 5 * NS_PER_S;
/// A primary that has lost an address of masqueraded connections is demoted by then, or stays.
const LOST_ADDRESS_NS: u64 = 10 * NS_PER_S;
/// Bytes of the IP and UDP headers in front of a frame.
const OVERHEAD_V4: u32 = 28;
const OVERHEAD_V6: u32 = 48;
/// Frame sizes: what every link carries (RFC 791), and what jumbo frames hold.
const FRAME_MIN: u32 = 576 - OVERHEAD_V6;
/// Largest frame, in bytes.
pub(crate) const FRAME_MAX: u32 = 9000 - OVERHEAD_V4;

/// What one CPU's events use.
#[repr(align(64))]
pub(crate) struct Cpu {
    /// Keys for the sender.
    pub(crate) queue: Queue,
    /// Counters of events, added up when they are read.
    pub(crate) stats: Stats,
}

impl Cpu {
    /// One for each CPU that there may be.
    ///
    /// Each is made on the stack, half a KiB, which is given back before anything goes deeper.
    #[inline(never)]
    fn all() -> Result<KVec<Self>> {
        let count = thread::cpus();
        let mut all = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            all.push(Self::new(count)?, GFP_KERNEL)?;
        }
        Ok(all)
    }

    fn new(cpus: usize) -> Result<Self> {
        let share = (QUEUE_LEN_SUM / cpus.max(1)).next_power_of_two();
        let slots = Buffer::from_fn(share.clamp(QUEUE_LEN_MIN, QUEUE_LEN_MAX), Slot::new)?;
        Ok(Self {
            queue: Queue::new(slots).map_err(|_| EINVAL)?,
            stats: Stats::new(),
        })
    }
}

/// What a change of role leaves to be done to the table, in the background.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Nothing.
    None,
    /// Shared entries wait for a primary's word.
    Pin,
    /// Shared entries get the timeouts of their protocols.
    Unpin,
}

/// What outlives an engine.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// The number of this node, where the knob leaves it to chance. Not 0.
    pub(crate) node_id: u32,
    /// The highest epoch that earlier engines have seen.
    pub(crate) epoch_floor: u64,
}

/// The running part of an instance.
#[pin_data]
pub(crate) struct Engine {
    /// The namespace.
    pub(crate) net: Net,
    /// Its conntrack table.
    pub(crate) table: Conntrack,
    /// Bits of the mark that select what is replicated; 0 is all.
    mark_mask: u32,
    /// 1 while counters are replicated.
    counters: Atomic<u32>,
    /// The counters, which outlive the engine.
    pub(crate) stats: Arc<Stats>,
    /// The socket on syncdev.
    pub(crate) socket: Socket,
    /// Who is reached by it.
    pub(crate) transport: Transport,
    /// The protocol.
    #[pin]
    pub(crate) node: Mutex<KBox<Node>>,
    /// Wakes the sender.
    pub(crate) signal: Signal,
    cpus: KVec<Cpu>,
    /// 1 while this node is the primary.
    primary: Atomic<u32>,
    /// 1 when a key found its ring full since the last scan began.
    scan: Atomic<u32>,
    /// 1 when this backup has lost a copy by itself since the protocol was last told so.
    lost: Atomic<u32>,
    /// A [`Pass`].
    pass: Atomic<u32>,
    /// When TCP windows are to be checked again, in nanoseconds; 0 is never.
    grace_end: Atomic<u64>,
    /// When masqueraded copies are to be tied to interfaces of this node, in nanoseconds; 0 is never.
    settle_at: Atomic<u64>,
    /// When backups are to be told what is left, since ends were withheld, in nanoseconds; 0 is never.
    lost_address_at: Atomic<u64>,
    /// When the sender wakes by itself, in nanoseconds.
    sender_wakes: Atomic<u64>,
    grace_ns: Atomic<u64>,
}

impl Engine {
    /// Opens the socket and makes everything that threads and events need.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what [`Socket::open`] returns.
    pub(crate) fn new(
        net: Net,
        device: Device,
        settings: &Settings,
        life: Life,
        stats: Arc<Stats>,
    ) -> Result<Arc<Self>> {
        let port = u16::try_from(settings.number(Id::Port)).map_err(|_| EINVAL)?;
        let transport = &settings.transport;
        let socket = Socket::open(
            net,
            device.ifindex,
            transport.family(),
            transport.joined(),
            transport.destinations().len(),
            port,
        )?;
        let mut node = new_node(device, settings, life.node_id)?;
        node.raise_epoch(life.epoch_floor);
        let cpus = Cpu::all()?;
        let table = Conntrack::new(net);
        Arc::pin_init(
            pin_init!(Self {
                net,
                table,
                mark_mask: settings.mark_mask(),
                counters: Atomic::new(counters(settings)),
                stats,
                socket,
                transport: settings.transport,
                node <- new_mutex!(node),
                signal: Signal::new(),
                cpus,
                primary: Atomic::new(0),
                scan: Atomic::new(0),
                lost: Atomic::new(0),
                pass: Atomic::new(Pass::None as u32),
                grace_end: Atomic::new(0),
                settle_at: Atomic::new(0),
                lost_address_at: Atomic::new(0),
                sender_wakes: Atomic::new(0),
                grace_ns: Atomic::new(grace_ns(settings)),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes settings that are compatible with those it was made with.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        self.grace_ns.store(grace_ns(settings), Relaxed);
        self.counters.store(counters(settings), Relaxed);
        let mut node = self.node.lock();
        let config = soft_config(*node.config(), settings);
        node.reconfigure(config);
        drop(node);
        self.wake();
    }

    /// What is replicated.
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            mark_mask: self.mark_mask,
            counters: self.counters.load(Relaxed) != 0,
        }
    }

    /// What events on the current CPU use.
    pub(crate) fn this_cpu(&self) -> &Cpu {
        // A CPU beyond the last cannot be; were it so, any queue would do: they take many producers.
        let first = &self.cpus[0];
        self.cpus.get(thread::this_cpu()).unwrap_or(first)
    }

    /// Takes a key from any CPU's queue, `first`'s if it has one. Only the sender may call this.
    ///
    /// Called with another `first` each time, a busy CPU does not starve the others.
    pub(crate) fn pop(&self, consumer: &mut Consumer, first: usize) -> Option<Key> {
        let (before, after) = self
            .cpus
            .split_at_checked(first)
            .unwrap_or((&[], &self.cpus));
        [after, before]
            .into_iter()
            .flatten()
            .find_map(|cpu| cpu.queue.pop(consumer))
    }

    /// How many queues there are.
    pub(crate) fn queues(&self) -> usize {
        self.cpus.len()
    }

    /// Whether this node is the primary.
    pub(crate) fn is_primary(&self) -> bool {
        self.primary.load(Relaxed) != 0
    }

    /// Makes this node the primary, at once; the table's timeouts follow in the background.
    pub(crate) fn promote(&self) {
        let now = thread::now();
        self.primary.store(1, Relaxed);
        self.node.lock().promote(now, &self.stats);
        self.pass.xchg(Pass::Unpin as u32, Full);
        let grace_ns = self.grace_ns.load(Relaxed);
        self.grace_end.store(now.after(grace_ns).0, Relaxed);
        self.settle_at.store(now.after(SETTLE_NS).0, Relaxed);
        self.wake();
    }

    /// Makes this node a backup; nothing is flushed.
    pub(crate) fn demote(&self) {
        self.primary.store(0, Relaxed);
        self.node.lock().demote(thread::now(), &self.stats);
        self.pass.xchg(Pass::Pin as u32, Full);
        self.grace_end.store(0, Relaxed);
        self.settle_at.store(0, Relaxed);
        self.lost_address_at.store(0, Relaxed);
        self.wake();
    }

    /// Sends a frame to whom it may concern. Returns false if the interface takes nothing: with
    /// `wait`, for 100 ms.
    pub(crate) fn send(&self, frame: &[u8], wait: bool) -> bool {
        for to in self.transport.destinations() {
            let Err(err) = self.socket.send(frame, to, wait) else {
                continue;
            };
            self.stats.count(Counter::SendFailed);
            if err == EAGAIN {
                // Each of the others would wait as long.
                return false;
            }
        }
        true
    }

    /// Wakes the sender.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn wake(&self) {
        self.signal.raise();
    }

    /// Has the sender look through the table for dirty entries.
    pub(crate) fn request_scan(&self) {
        self.scan.store(1, Relaxed);
    }

    /// Whether a scan was requested; the request is taken.
    pub(crate) fn take_scan(&self) -> bool {
        self.scan.load(Relaxed) != 0 && self.scan.xchg(0, Full) != 0
    }

    /// A copy has ended on this backup, and not by the primary's word.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn note_loss(&self) {
        self.this_cpu().stats.count(Counter::EntriesLostLocally);
        if self.lost.xchg(1, Full) == 0 {
            self.wake();
        }
    }

    /// Whether copies were lost; the news is taken.
    pub(crate) fn take_loss(&self) -> bool {
        self.lost.load(Relaxed) != 0 && self.lost.xchg(0, Full) != 0
    }

    /// The end of a connection was not told of, since this node has lost the address to which it was
    /// masqueraded. If it stays primary nevertheless, backups learn of it some time later.
    ///
    /// # Context
    ///
    /// Any.
    pub(crate) fn note_lost_address(&self) {
        if self.lost_address_at.load(Relaxed) == 0 {
            let due = thread::now().after(LOST_ADDRESS_NS);
            self.lost_address_at.store(due.0, Relaxed);
            self.wake();
        }
    }

    /// Whether backups are to be told what is left by now; the news is taken.
    pub(crate) fn take_lost_address(&self, now: Time) -> bool {
        take_due(&self.lost_address_at, now)
    }

    /// Whether masqueraded copies are to be tied to interfaces by now; the news is taken.
    pub(crate) fn take_settle(&self, now: Time) -> bool {
        take_due(&self.settle_at, now)
    }

    /// When one of these two is due, if one is.
    pub(crate) fn masquerades_due(&self) -> Option<Time> {
        [&self.settle_at, &self.lost_address_at]
            .into_iter()
            .map(|at| at.load(Relaxed))
            .filter(|&at| at != 0)
            .min()
            .map(Time)
    }

    /// The pass that is to be made; it is taken.
    pub(crate) fn take_pass(&self) -> Pass {
        if self.pass.load(Relaxed) == Pass::None as u32 {
            return Pass::None;
        }
        match self.pass.xchg(Pass::None as u32, Full) {
            pass if pass == Pass::Pin as u32 => Pass::Pin,
            pass if pass == Pass::Unpin as u32 => Pass::Unpin,
            _ => Pass::None,
        }
    }

    /// When TCP windows are to be checked again, if they are not.
    pub(crate) fn grace_end(&self) -> Option<Time> {
        match self.grace_end.load(Relaxed) {
            0 => None,
            end => Some(Time(end)),
        }
    }

    /// Takes note that they are checked again from `end` on. Returns false if there is another
    /// end by now.
    pub(crate) fn clear_grace(&self, end: Time) -> bool {
        self.grace_end.cmpxchg(end.0, 0, Full).is_ok()
    }

    /// Gives the connections whose windows are not known at the end of the grace another one.
    pub(crate) fn extend_grace(&self, now: Time) {
        let end = now.after(self.grace_ns.load(Relaxed).max(GRACE_AGAIN_NS));
        // Not if there was another takeover by now; a demotion comes before or sees it.
        let _ = self.grace_end.cmpxchg(0, end.0, Full);
        if !self.is_primary() {
            let _ = self.clear_grace(end);
        }
    }

    /// Notes until when the sender sleeps.
    pub(crate) fn set_sender_wakes(&self, time: Time) {
        self.sender_wakes.store(time.0, Relaxed);
    }

    /// Wakes the sender if the protocol has something to do before it wakes by itself.
    pub(crate) fn wake_for(&self, due: Option<Time>) {
        if due.is_some_and(|due| due.0 < self.sender_wakes.load(Relaxed)) {
            self.wake();
        }
    }

    /// Events were missed: only a walk of the whole table tells what happened meanwhile.
    pub(crate) fn note_missed_events(&self) {
        if !self.is_primary() {
            return;
        }
        self.stats.count(Counter::EventsMissed);
        self.node.lock().request_walk(&self.stats);
        self.wake();
    }

    /// A counter, with what the CPUs' events have added.
    pub(crate) fn event_count(&self, counter: Counter) -> u64 {
        self.cpus.iter().map(|cpu| cpu.stats.value(counter)).sum()
    }

    /// Adds the counters of events to those that outlive the engine.
    pub(crate) fn fold_counters(&self) {
        for &counter in Counter::ALL {
            self.stats.add(counter, self.event_count(counter));
        }
    }
}

/// Whether a time has come; it is taken then.
fn take_due(at: &Atomic<u64>, now: Time) -> bool {
    let due = at.load(Relaxed);
    due != 0 && due <= now.0 && at.cmpxchg(due, 0, Full).is_ok()
}

/// The protocol for a device.
///
/// A node is more than a KiB, and a stack has 16: so a box of its own is moved instead of it.
fn new_node(device: Device, settings: &Settings, random_id: u32) -> Result<KBox<Node>> {
    let overhead = match settings.transport.family() {
        FAMILY_V6 => OVERHEAD_V6,
        _ => OVERHEAD_V4,
    };
    let frame_max = device
        .mtu
        .saturating_sub(overhead)
        .clamp(FRAME_MIN, FRAME_MAX) as usize;
    let config = proto::Config {
        cluster_id: settings.unsigned(Id::Cluster),
        node_id: match settings.unsigned(Id::Node) {
            0 => random_id,
            chosen => chosen,
        },
        incarnation: thread::random(),
        frame_max,
        flush: 0,
        heartbeat: 0,
        resync_rate: 0,
        scrub_interval: 0,
    };
    let backlog = settings.unsigned(Id::Backlog) as usize;
    let storage = Storage::new(frame_max, PEERS_MAX, backlog)?;
    let place = KBox::new_uninit(GFP_KERNEL)?;
    Ok(write_node(place, soft_config(config, settings), storage))
}

/// Puts a node into its box. What it takes of the stack for that is given back before anything else
/// goes deeper.
#[inline(never)]
fn write_node(
    place: KBox<MaybeUninit<Node>>,
    config: proto::Config,
    storage: Storage,
) -> KBox<Node> {
    place.write(Node::new(config, storage))
}

/// `config` with those settings that may change while the engine runs.
fn soft_config(config: proto::Config, settings: &Settings) -> proto::Config {
    proto::Config {
        flush: u64::from(settings.unsigned(Id::FlushUs)) * 1000,
        heartbeat: u64::from(settings.unsigned(Id::HeartbeatMs)) * NS_PER_MS,
        resync_rate: settings.unsigned(Id::ResyncRate),
        scrub_interval: u64::from(scrub_interval_s(settings)) * NS_PER_S,
        ..config
    }
}

/// How often the table is walked: a scrub refreshes the counters as well.
fn scrub_interval_s(settings: &Settings) -> u32 {
    let scrub = settings.unsigned(Id::ScrubInterval);
    match settings.unsigned(Id::CountersInterval) {
        0 => scrub,
        counters if scrub == 0 => counters,
        counters => counters.min(scrub),
    }
}

/// Whether counters are replicated, 0 or 1.
fn counters(settings: &Settings) -> u32 {
    u32::from(settings.unsigned(Id::CountersInterval) != 0)
}

/// How long TCP windows are not checked after a takeover, in nanoseconds.
fn grace_ns(settings: &Settings) -> u64 {
    u64::from(settings.unsigned(Id::TcpGrace)) * NS_PER_S
}
