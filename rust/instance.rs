// SPDX-License-Identifier: GPL-2.0

//! All that one network namespace owns: its knobs, its counters, and what runs in it.
//!
//! Nothing runs until `syncdev` names an interface that is there. [`Instance::reconcile`] compares
//! what should run with what does; it is called after a knob was written and after a device came
//! or went.
//!
//! Locks: `control`, a mutex, outside of everything; rtnl is taken inside of it, so no callback
//! under rtnl may take it (devices are followed by a work item). `files` alone.

use core::ffi::CStr;
use core::fmt::Write;

use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::{new_mutex, Arc, Mutex};

use crate::atomic::{Atomic, Relaxed};
use crate::config::{self, DeviceName, Id, Knob, Settings};
use crate::conntrack::Conntrack;
use crate::engine::{Engine, Life};
use crate::kapi::hooks::Hooks;
use crate::kapi::net::{Net, Work};
use crate::kapi::netdev::{Device, DeviceEvent, NetDevice, Rtnl};
use crate::kapi::netns::PerNet;
use crate::kapi::skb::Skb;
use crate::kapi::sysctl::{Files, Sysctl};
use crate::kapi::thread::{self, Kthread};
use crate::l2drop::{self, L2drop};
use crate::log;
use crate::packet;
use crate::proto::Role;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::show;
use crate::slot::{self, Armed, Slot};
use crate::stats::{Counter, Stats};
use crate::transport::{self, PeerList, Readable};

/// What runs while syncdev is there. Fields are dropped in this order: first events end, then the
/// threads, then the hooks, last the engine with its socket.
struct Running {
    _notifier: Armed<Engine>,
    _sender: Kthread<Sender>,
    _receiver: Kthread<Receiver>,
    _hooks: Hooks,
    engine: Arc<Engine>,
    device: Device,
    settings: Settings,
}

/// What the control mutex protects.
struct Control {
    settings: Settings,
    role: Role,
    running: Option<Running>,
    life: Life,
    /// Whether it was said that syncdev is awaited.
    waiting: bool,
    /// Set once by `shut_down`: nothing starts any more.
    closed: bool,
}

/// One namespace's ct_sync.
#[pin_data]
pub(crate) struct Instance {
    net: Net,
    stats: Arc<Stats>,
    events: Arc<Slot<Engine>>,
    /// The UDP port of replication, which datagrams from other interfaces may be for.
    port: Atomic<u32>,
    #[pin]
    l2drop: L2drop,
    #[pin]
    control: Mutex<Control>,
    #[pin]
    files: Mutex<Option<Files<Instance>>>,
}

/// The work that starts or stops replication after a device came or went.
const RECONCILE: Work = Work::FIRST;

impl PerNet for Instance {
    type Listener = Engine;

    const NAME: &'static CStr = c"ct_sync";

    /// Makes the instance of a namespace, with every knob at its default, and its files.
    fn new(net: Net) -> Result<Arc<Self>> {
        let stats = Arc::new(Stats::new(), GFP_KERNEL)?;
        let events = Slot::new(net)?;
        let l2drop = L2drop::new(net);
        let control = Control {
            settings: Settings::new(),
            role: Role::Backup,
            running: None,
            life: Life {
                node_id: thread::random().max(1),
                epoch_floor: 0,
            },
            waiting: false,
            closed: false,
        };
        let instance = Arc::pin_init(
            pin_init!(Self {
                net,
                stats,
                events,
                port: Atomic::new(0),
                l2drop <- l2drop,
                control <- new_mutex!(control),
                files <- new_mutex!(None),
            }),
            GFP_KERNEL,
        )?;
        let files = Files::register(net, instance.clone())?;
        *instance.files.lock() = Some(files);
        Ok(instance)
    }

    fn shut_down(&self) {
        // Files first, outside of the lock: their handlers take `control`.
        let files = self.files.lock().take();
        drop(files);
        let mut control = self.control.lock();
        control.closed = true;
        self.stop(&mut control);
        self.l2drop.set_dropping(false);
        if self
            .l2drop
            .set(l2drop::Mode::Off, DeviceName::default())
            .is_err()
        {
            log::error!(Change, "l2drop: the hooks stay\n");
        }
        self.events.release();
    }

    /// Writes `/proc/net/ct_sync`.
    fn show(&self, seq: &SeqFile) {
        let control = self.control.lock();
        let engine = control.running.as_ref().map(|running| &*running.engine);
        show::write(
            seq,
            control.role,
            engine,
            &self.stats,
            self.l2drop.dropped(),
        );
    }

    fn work(&self, work: Work) {
        match work {
            RECONCILE => self.reconcile(),
            _ => self.l2drop.announce(),
        }
    }

    fn device_event(&self, rtnl: &Rtnl, dev: &NetDevice, event: DeviceEvent) {
        match event {
            DeviceEvent::Other => return,
            DeviceEvent::ChangeMtu | DeviceEvent::Up => {}
            _ => self.l2drop.device_event(rtnl, dev, event),
        }
        self.net.queue(RECONCILE);
    }

    fn module_matters(name: &CStr, coming: bool) -> bool {
        slot::concerns(name, coming)
    }

    fn module_changed(&self) {
        self.events.follow(Engine::note_missed_events);
    }

    /// The socket is bound to syncdev and never sees what comes in by others: it is only counted.
    fn foreign(&self, skb: &Skb) {
        if packet::udp_port(skb).map(u32::from) == Some(self.port.load(Relaxed)) {
            self.stats.count(Counter::FramesWrongDevice);
        }
    }

    fn passes(&self, skb: &Skb) -> bool {
        self.l2drop.passes(skb)
    }
}

impl Sysctl for Instance {
    /// Where they belong, and where hooks written in 2005 look for them.
    const FOLDERS: [&'static CStr; 2] = [c"net/netfilter/ct_sync", c"net/ipv4/netfilter/ct_sync"];

    fn file(index: usize) -> Option<(&'static CStr, u16)> {
        let knob = config::KNOBS.get(index)?;
        Some((knob.name, knob.mode()))
    }

    fn read(&self, index: usize, out: &mut impl Write) -> Result {
        self.read_knob(config::KNOBS.get(index).ok_or(EINVAL)?, out)
    }

    fn write(&self, index: usize, text: &str) -> Result {
        self.write_knob(config::KNOBS.get(index).ok_or(EINVAL)?, text)
    }
}

impl Instance {
    /// Starts, restarts or stops what runs, after something has changed. Failures are logged.
    fn reconcile(&self) {
        let mut control = self.control.lock();
        if let Err(err) = self.reconcile_locked(&mut control) {
            log::error!(
                Change,
                "{}: replication cannot start ({:?}); tried again when the interface changes\n",
                control.settings.syncdev.as_str(),
                err
            );
        }
    }

    fn reconcile_locked(&self, control: &mut Control) -> Result {
        let device = self.wanted_device(control);
        let settings = &control.settings;
        if let Some(running) = &mut control.running {
            if Some(running.device) == device && settings.is_compatible(&running.settings) {
                if *settings != running.settings {
                    running.engine.reconfigure(settings);
                    running.settings = *settings;
                }
                return Ok(());
            }
        }
        self.stop(control);
        match device {
            Some(device) => self.start(control, device),
            None => Ok(()),
        }
    }

    /// The interface to replicate on, if there is to be one and it is there.
    fn wanted_device(&self, control: &mut Control) -> Option<Device> {
        if control.closed || control.settings.syncdev.is_empty() {
            return None;
        }
        let device = self
            .net
            .find_device(control.settings.syncdev.as_c_str())
            .ok();
        if device.is_none() && !control.waiting {
            log::info!(
                Change,
                "{}: no such interface; waiting for it\n",
                control.settings.syncdev.as_str()
            );
        }
        control.waiting = device.is_none();
        device
    }

    fn start(&self, control: &mut Control, device: Device) -> Result {
        let settings = &control.settings;
        let engine = Engine::new(self.net, device, settings, control.life, self.stats.clone())?;
        let port = u16::try_from(settings.number(Id::Port)).map_err(|_| EINVAL)?;
        let notrack = settings.number(Id::Notrack) != 0;
        self.port.store(u32::from(port), Relaxed);
        let hooks = Hooks::register(self.net, device.ifindex, notrack)?;
        let inum = self.net.inum();
        // Before anything is applied: a mark that is given by a record must not be taken for an
        // old one, and a copy that is inserted before events are on would never report any.
        engine.table.forget_marks();
        let notifier = self.events.arm(self.net, engine.clone())?;
        let receiver = Kthread::start(Receiver::new(engine.clone())?, c"ct_sync-rx", inum)?;
        let sender = Kthread::start(Sender::new(engine.clone())?, c"ct_sync-tx", inum)?;
        if control.role == Role::Primary {
            engine.promote();
        }
        log::info!(
            Change,
            "{}: replication started\n",
            settings.syncdev.as_str()
        );
        control.running = Some(Running {
            _notifier: notifier,
            _sender: sender,
            _receiver: receiver,
            _hooks: hooks,
            engine,
            device,
            settings: *settings,
        });
        Ok(())
    }

    fn stop(&self, control: &mut Control) {
        let Some(running) = control.running.take() else {
            return;
        };
        let name = running.settings.syncdev;
        let engine = running.engine.clone();
        drop(running);
        control.life.epoch_floor = engine.node.lock().highest_epoch();
        engine.fold_counters();
        // A backup whose syncdev comes back is told when these end; of others nobody says it.
        let ends = control.closed || control.settings.syncdev.is_empty();
        if ends || control.role == Role::Primary {
            self.table().unpin_all();
            // What is left stays liberal.
            let _ = self.table().end_grace_all();
        }
        log::info!(Change, "{}: replication stopped\n", name.as_str());
    }

    /// Writes the value of a knob.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer is too small.
    pub(crate) fn read_knob(&self, knob: &Knob, out: &mut impl Write) -> Result {
        let control = self.control.lock();
        let settings = &control.settings;
        let written = match knob.id {
            Id::Syncdev => write!(out, "{}", settings.syncdev.as_str()),
            Id::State => write!(out, "{}", config::state_number(control.role)),
            Id::Synced => write!(out, "{}", u32::from(is_synced(&control))),
            Id::Group => out.write_fmt(fmt!("{}", Readable::new(&settings.transport.group))),
            Id::Peers => out.write_fmt(fmt!("{}", settings.transport.peers)),
            _ => write!(out, "{}", settings.number(knob.id)),
        };
        written.map_err(|_| EINVAL)
    }

    /// Sets a knob from text, and makes it true.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a value that is none or out of bounds, and what starting replication returns;
    /// the value is as before then. A line in the log says what the knob takes.
    pub(crate) fn write_knob(&self, knob: &Knob, text: &str) -> Result {
        self.set_knob(knob, text).inspect_err(|err| {
            let name = knob.name.to_str().unwrap_or_default();
            if *err == EINVAL {
                log::warning!(Mistake, "{}={:?}: refused; it takes {}\n", name, text, knob);
            } else {
                log::warning!(Mistake, "{}={:?}: refused ({:?})\n", name, text, err);
            }
        })
    }

    fn set_knob(&self, knob: &Knob, text: &str) -> Result {
        let mut control = self.control.lock();
        if control.closed {
            return Err(ENODEV);
        }
        let before = control.settings;
        match knob.id {
            Id::State => return self.set_role(&mut control, config::parse_state(text)?),
            Id::Resync => return resync(&control),
            Id::Syncdev => control.settings.syncdev = DeviceName::parse(text)?,
            Id::Group => control.settings.transport.group = transport::parse_group(text)?,
            Id::Peers => control.settings.transport.peers = PeerList::parse(text)?,
            _ => control
                .settings
                .set_number(knob, config::parse_number(text)?)?,
        }
        let result = self.apply(&mut control, &before);
        if result.is_err() {
            let refused = control.settings;
            control.settings = before;
            // What ran before ran with these settings; if it fails now it has said so.
            let _ = self.apply(&mut control, &refused);
        }
        result
    }

    /// Makes changed settings true.
    fn apply(&self, control: &mut Control, before: &Settings) -> Result {
        let settings = control.settings;
        if settings.syncdev != before.syncdev {
            control.waiting = false;
        }
        let l2drop_changed = settings.number(Id::L2drop) != before.number(Id::L2drop)
            || settings.syncdev != before.syncdev;
        if l2drop_changed {
            self.l2drop.set_dropping(control.role == Role::Backup);
            let mode = l2drop::Mode::from_number(settings.unsigned(Id::L2drop));
            self.l2drop.set(mode, settings.syncdev)?;
        }
        self.reconcile_locked(control)
    }

    /// Changes the role: one write, which takes effect at once.
    fn set_role(&self, control: &mut Control, role: Role) -> Result {
        if control.role == role {
            return Ok(());
        }
        control.role = role;
        self.l2drop.set_dropping(role == Role::Backup);
        match (&control.running, role) {
            (Some(running), Role::Primary) => running.engine.promote(),
            (Some(running), Role::Backup) => running.engine.demote(),
            // Nobody would end the grace; windows that are not known yet stay unchecked.
            (None, Role::Primary) => self.table().unpin_all(),
            (None, Role::Backup) => {}
        }
        log::info!(Change, "now {}\n", show::role_name(role));
        Ok(())
    }

    /// The conntrack table of the namespace.
    fn table(&self) -> Conntrack {
        Conntrack::new(self.net)
    }

    /// Sets a knob from a module parameter.
    ///
    /// # Errors
    ///
    /// As [`Instance::write_knob`].
    pub(crate) fn set_parameter(&self, id: Id, text: &str) -> Result {
        let knob = config::KNOBS
            .iter()
            .find(|knob| knob.id == id)
            .ok_or(EINVAL)?;
        self.write_knob(knob, text)
    }
}

/// Whether this node has all that the primary has; the primary has.
fn is_synced(control: &Control) -> bool {
    match &control.running {
        Some(running) => running.engine.node.lock().synced(thread::now()),
        None => false,
    }
}

/// Starts a full resync: as the primary to all, as a backup by asking for one.
fn resync(control: &Control) -> Result {
    let running = control.running.as_ref().ok_or(ENODEV)?;
    let engine = &running.engine;
    engine.node.lock().request_walk(&engine.stats);
    engine.wake();
    Ok(())
}
