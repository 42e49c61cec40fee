// SPDX-License-Identifier: GPL-2.0

//! l2drop: a backup drops all frames but those of syncdev, so that it may have the addresses of the
//! primary. Which devices are blocked, and which frames pass.
//!
//! Context: frames in softirq; devices under rtnl. Lock: `blocked`, inside of rtnl. Whether frames
//! are dropped is one word, which hooks read and a change of role writes.

use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};

use crate::atomic::{Atomic, Relaxed};
use crate::config::DeviceName;
use crate::kapi::hooks;
use crate::kapi::net::{Net, Work};
use crate::kapi::netdev::{DeviceEvent, DeviceHooks, NetDevice, Rtnl};
use crate::kapi::skb::Skb;
use crate::log;
use crate::packet;

/// VRRP (RFC 9568).
const PROTOCOL_VRRP: u8 = 112;
/// Ports of BFD: RFC 5881 (two), RFC 5883, RFC 7130.
const PORTS_BFD: [u16; 4] = [3784, 3785, 4784, 6784];

/// What l2drop lets pass. The values are those of the knob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// There is no l2drop.
    Off = 0,
    /// Nothing.
    All = 1,
    /// What tells the nodes which of them is alive: VRRP and BFD, of IPv4 and IPv6.
    ButVrrp = 2,
}

impl Mode {
    /// That of the knob.
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::All,
            _ => Self::ButVrrp,
        }
    }
}

/// Devices that have hooks.
struct Blocked {
    mode: Mode,
    syncdev: DeviceName,
    devices: KVec<DeviceHooks>,
}

impl Blocked {
    /// Frames of syncdev pass through the devices below it (VLAN, bond, bridge).
    fn is_exempt(&self, net: Net, rtnl: &Rtnl, dev: &NetDevice) -> bool {
        let syncdev = self.syncdev.as_c_str();
        dev.is_loopback()
            || dev.name(rtnl) == syncdev
            || rtnl
                .find(net, syncdev)
                .is_some_and(|syncdev| dev.is_below(syncdev))
    }

    /// Gives one device hooks or takes them off, by what it is now.
    fn update(&mut self, net: Net, rtnl: &Rtnl, dev: &NetDevice) -> Result {
        let has = self.devices.iter().any(|hooks| hooks.are_on(dev));
        match (self.is_exempt(net, rtnl, dev), has) {
            (true, true) => self.unblock(dev),
            (false, false) => {
                self.devices.reserve(1, GFP_KERNEL)?;
                self.devices
                    .push(DeviceHooks::register(dev, rtnl)?, GFP_KERNEL)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn update_all(&mut self, net: Net, rtnl: &Rtnl) -> Result {
        rtnl.devices(net)
            .try_for_each(|dev| self.update(net, rtnl, dev))
    }

    /// Takes the hooks off a device.
    fn unblock(&mut self, dev: &NetDevice) {
        self.devices.retain(|hooks| !hooks.are_on(dev));
    }
}

/// The l2drop of a namespace.
#[pin_data]
pub(crate) struct L2drop {
    net: Net,
    /// [`Mode::ButVrrp`]: what frames ask.
    but_vrrp: Atomic<u32>,
    /// Frames that were dropped.
    dropped: Atomic<u64>,
    #[pin]
    blocked: Mutex<Blocked>,
}

impl L2drop {
    /// One that is off.
    pub(crate) fn new(net: Net) -> impl PinInit<Self> {
        let blocked = Blocked {
            mode: Mode::Off,
            syncdev: DeviceName::default(),
            devices: KVec::new(),
        };
        pin_init!(Self {
            net,
            but_vrrp: Atomic::new(0),
            dropped: Atomic::new(0),
            blocked <- new_mutex!(blocked),
        })
    }

    /// Puts the hooks on all devices of the namespace but loopback, `syncdev` and what is below it,
    /// or takes them off. Whether they drop is said by [`L2drop::set_dropping`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `nf_register_net_hook()` says; then no device is blocked.
    ///
    /// # Context
    ///
    /// Takes rtnl.
    pub(crate) fn set(&self, mode: Mode, syncdev: DeviceName) -> Result {
        let rtnl = Rtnl::lock();
        let mut blocked = self.blocked.lock();
        (blocked.mode, blocked.syncdev) = (mode, syncdev);
        self.but_vrrp
            .store(u32::from(mode == Mode::ButVrrp), Relaxed);
        let result = match mode {
            Mode::Off => Ok(()),
            _ => blocked.update_all(self.net, &rtnl),
        };
        if result.is_err() {
            blocked.mode = Mode::Off;
        }
        if blocked.mode == Mode::Off {
            blocked.devices.clear();
        }
        result
    }

    /// Whether frames are dropped; takes effect at once. When they are not any more, the neighbours
    /// are told where this node's addresses are: what it said while it was blocked (gratuitous ARP,
    /// unsolicited NA) was dropped.
    pub(crate) fn set_dropping(&self, dropping: bool) {
        if hooks::watch_devices(self.net, dropping) && !dropping {
            self.net.queue(ANNOUNCE);
        }
    }

    /// Tells the neighbours. May sleep.
    pub(crate) fn announce(&self) {
        let rtnl = Rtnl::lock();
        for hooks in &self.blocked.lock().devices {
            hooks.announce(&rtnl);
        }
    }

    /// Follows devices that come and go, are renamed, or get another above them: syncdev may be
    /// among these.
    pub(crate) fn device_event(&self, rtnl: &Rtnl, dev: &NetDevice, event: DeviceEvent) {
        let mut blocked = self.blocked.lock();
        if blocked.mode == Mode::Off {
            return;
        }
        if event == DeviceEvent::Unregister {
            blocked.unblock(dev);
        } else if blocked.update_all(self.net, rtnl).is_err() {
            log::error!(Change, "l2drop: no memory: not all devices are blocked\n");
        }
    }

    /// Whether a frame passes although frames are dropped. Counts those that do not.
    pub(crate) fn passes(&self, skb: &Skb) -> bool {
        if self.but_vrrp.load(Relaxed) != 0 && says_who_is_alive(skb) {
            return true;
        }
        self.dropped.add(1, Relaxed);
        false
    }

    /// Frames that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The work that tells the neighbours: [`L2drop::announce`].
pub(crate) const ANNOUNCE: Work = Work::SECOND;

fn says_who_is_alive(skb: &Skb) -> bool {
    packet::protocol(skb) == Some(PROTOCOL_VRRP)
        || packet::udp_port(skb).is_some_and(|port| PORTS_BFD.contains(&port))
}
