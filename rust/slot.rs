// SPDX-License-Identifier: GPL-2.0

//! Who is in front of whom in the slot for a notifier of conntrack events.
//!
//! A namespace has one slot. ctnetlink takes it in every namespace, when it is loaded: by whoever
//! runs "conntrack -L". So this module loads it first, and puts a notifier of its own in front of
//! whatever the slot holds. Events are called through and the other's verdict is returned.
//!
//! The only others that write the slot are ctnetlink's load and unload, about which a module
//! notifier tells before and after. While it is being loaded the slot must be empty of ours, or its
//! registration warns. Afterwards, also when it is gone, whatever the slot holds then is wrapped:
//! what was kept from before may be freed text.
//!
//! Lock: `state`, a mutex, inside pernet_ops_rwsem and net_rwsem; inside of it the mutex of the
//! protocol, whose holders take none of these.

use core::ffi::CStr;

use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};

use crate::atomic::{Atomic, Full, Relaxed};
use crate::kapi::net::Net;
use crate::kapi::notifier::{Attached, Listener, Seat};

/// The module that takes the slot.
const CTNETLINK: &CStr = c"nf_conntrack_netlink";

/// 1 while ctnetlink is between "about to be loaded" and "loaded, failed or gone".
static LOADING: Atomic<u32> = Atomic::new(0);

/// Whether a module that comes or goes concerns the slots. Remembers whether it is `coming`; each
/// [`Slot`] is to be told to [`follow`](Slot::follow) then.
pub(crate) fn concerns(name: &CStr, coming: bool) -> bool {
    if name != CTNETLINK {
        return false;
    }
    // Before any slot's mutex is taken for it: whoever arms one sees it, or is seen.
    LOADING.xchg(u32::from(coming), Full);
    true
}

/// New entries get the event extension, whether or not anybody listens by netlink.
const EVENTS_ALWAYS: u8 = 1;

struct State<L> {
    /// Who hears events, while ours is to be in the slot.
    listener: Option<Arc<L>>,
    /// The user's setting of `nf_conntrack_events`, while it is changed.
    events_before: Option<u8>,
}

/// The slot of a namespace.
#[pin_data]
pub(crate) struct Slot<L: Listener> {
    seat: Seat,
    #[pin]
    state: Mutex<State<L>>,
}

impl<L: Listener> Slot<L> {
    /// That of `net`, with nobody listening.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(net: Net) -> Result<Arc<Self>> {
        let state = State {
            listener: None,
            events_before: None,
        };
        Arc::pin_init(
            pin_init!(Self {
                seat: Seat::of(net),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )
    }

    /// Puts ours in front of what the slot holds now.
    fn wrap(&self) {
        loop {
            let holder = self.seat.holder();
            if self.seat.is_ours() || self.seat.wrap(holder) {
                return;
            }
        }
    }

    /// Starts events for `listener`, until the result is dropped. While it exists, and until
    /// [`Slot::release`], new entries get the event extension even when nobody listens by netlink.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a listener.
    pub(crate) fn arm(self: &Arc<Self>, net: Net, listener: Arc<L>) -> Result<Armed<L>> {
        let mut state = self.state.lock();
        if state.listener.is_some() {
            return Err(EBUSY);
        }
        let attached = Attached::new(net, listener.clone());
        let setting = self.seat.events_setting();
        state.events_before.get_or_insert(setting);
        self.seat.set_events_setting(EVENTS_ALWAYS);
        state.listener = Some(listener);
        if LOADING.load(Relaxed) == 0 {
            self.wrap();
        }
        Ok(Armed {
            _attached: attached,
            slot: self.clone(),
        })
    }

    /// Restores the user's setting, when nothing will be armed again: entries that are made between
    /// two listeners must have the extension too.
    pub(crate) fn release(&self) {
        let before = self.state.lock().events_before.take();
        if let Some(before) = before.filter(|_| self.seat.events_setting() == EVENTS_ALWAYS) {
            self.seat.set_events_setting(before);
        }
    }

    /// Follows ctnetlink. `missed` is called with a listener that has missed events; it goes on
    /// hearing them.
    pub(crate) fn follow(&self, missed: impl FnOnce(&L)) {
        let state = self.state.lock();
        let Some(listener) = &state.listener else {
            return;
        };
        if LOADING.load(Relaxed) != 0 {
            self.seat.unwrap();
        } else {
            self.wrap();
            missed(listener);
        }
    }
}

/// A listener that hears events.
pub(crate) struct Armed<L: Listener> {
    slot: Arc<Slot<L>>,
    /// Dropped last: then no event runs any more.
    _attached: Attached<L>,
}

impl<L: Listener> Drop for Armed<L> {
    fn drop(&mut self) {
        let mut state = self.slot.state.lock();
        state.listener = None;
        self.slot.seat.unwrap();
    }
}
