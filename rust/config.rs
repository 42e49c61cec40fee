// SPDX-License-Identifier: GPL-2.0

//! The knobs: one table of names, units, defaults and bounds, and the values of one namespace.
//!
//! Text is parsed and checked here before anything changes: a bad value changes nothing.

use core::ffi::CStr;

use kernel::prelude::*;

use crate::kapi::netdev::DEVICE_NAME_MAX;
use crate::proto::Role;
use crate::transport::Transport;

/// Which knob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    /// Interface for replication; empty is off.
    Syncdev,
    /// 0 backup, 1 primary.
    State,
    /// Whether this node has all that the primary has.
    Synced,
    /// What a backup drops.
    L2drop,
    /// Whether the traffic of syncdev is left untracked.
    Notrack,
    /// Number of the mark bit that selects what is replicated; -1 is all.
    Cmarkbit,
    /// Number of this node; 0 is chosen at random.
    Node,
    /// Number of the cluster.
    Cluster,
    /// Multicast group.
    Group,
    /// Unicast addresses of the nodes; none is multicast.
    Peers,
    /// UDP port.
    Port,
    /// A write starts a full resync.
    Resync,
    /// Records per second of a full resync; 0 is unlimited.
    ResyncRate,
    /// Time in which a scrub goes through the whole table, in seconds; 0 is no scrub.
    ScrubInterval,
    /// How often the counters of connections are refreshed, in seconds; 0 is never.
    CountersInterval,
    /// Frames that can be repaired.
    Backlog,
    /// Longest time that a record waits for others, in microseconds.
    FlushUs,
    /// Period of heartbeats, in milliseconds.
    HeartbeatMs,
    /// How long TCP windows are not checked after a takeover, in seconds.
    TcpGrace,
}

/// What may be done with a knob.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    ReadWrite,
}

/// One knob.
pub(crate) struct Knob {
    /// Which.
    pub(crate) id: Id,
    /// Name of its file.
    pub(crate) name: &'static CStr,
    access: Access,
    /// Smallest value, of a number.
    min: i64,
    /// Largest value, of a number.
    max: i64,
    /// Value at the start, of a number.
    default: i64,
}

impl Knob {
    /// Permissions of its file.
    pub(crate) const fn mode(&self) -> u16 {
        match self.access {
            Access::Read => 0o444,
            Access::Write => 0o200,
            Access::ReadWrite => 0o644,
        }
    }
}

/// What a knob takes, for people who wrote something else.
impl kernel::fmt::Display for Knob {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        match self.id {
            Id::Syncdev => f.write_str("the name of an interface, or nothing"),
            Id::State => f.write_str("0 (backup) or 1 (primary)"),
            Id::Group => f.write_str("a multicast address"),
            Id::Peers => f.write_str("up to 16 unicast addresses of one family, or nothing"),
            Id::Synced | Id::Resync => f.write_str("anything"),
            _ => write!(f, "a number from {} to {}", self.min, self.max),
        }
    }
}

/// A knob that is a number.
const fn number(id: Id, name: &'static CStr, min: i64, max: i64, default: i64) -> Knob {
    Knob {
        id,
        name,
        access: Access::ReadWrite,
        min,
        max,
        default,
    }
}

/// A knob that is something else.
const fn text(id: Id, name: &'static CStr, access: Access) -> Knob {
    Knob {
        id,
        name,
        access,
        min: 0,
        max: 0,
        default: 0,
    }
}

/// All knobs.
pub(crate) const KNOBS: [Knob; 19] = [
    text(Id::Syncdev, c"syncdev", Access::ReadWrite),
    text(Id::State, c"state", Access::ReadWrite),
    text(Id::Synced, c"synced", Access::Read),
    number(Id::L2drop, c"l2drop", 0, 2, 0),
    number(Id::Notrack, c"notrack", 0, 1, 1),
    number(Id::Cmarkbit, c"cmarkbit", -1, 31, -1),
    number(Id::Node, c"node_id", 0, u32::MAX as i64, 0),
    number(Id::Cluster, c"cluster_id", 0, u32::MAX as i64, 0),
    text(Id::Group, c"group", Access::ReadWrite),
    text(Id::Peers, c"peers", Access::ReadWrite),
    number(Id::Port, c"port", 1, 65535, 3781),
    text(Id::Resync, c"resync", Access::Write),
    number(Id::ResyncRate, c"resync_rate", 0, 10_000_000, 20_000),
    number(Id::ScrubInterval, c"scrub_interval", 0, 86_400, 300),
    number(Id::CountersInterval, c"counters_interval", 0, 86_400, 0),
    number(Id::Backlog, c"backlog", 0, 16_384, 1024),
    number(Id::FlushUs, c"flush_us", 0, 1_000_000, 1000),
    number(Id::HeartbeatMs, c"heartbeat_ms", 50, 60_000, 1000),
    number(Id::TcpGrace, c"tcp_grace", 0, 86_400, 120),
];

/// The name of an interface, maybe empty.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DeviceName([u8; DEVICE_NAME_MAX + 1]);

impl DeviceName {
    /// Checks a name by the kernel's rule (`dev_valid_name`); empty is allowed.
    ///
    /// # Errors
    ///
    /// `EINVAL` above 15 bytes, and for a character that no interface can have.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut name = Self::default();
        let room = name.0.get_mut(..text.len()).ok_or(EINVAL)?;
        room.copy_from_slice(text.as_bytes());
        if name.0.last() != Some(&0) {
            return Err(EINVAL);
        }
        let bad = |c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace();
        if text == "." || text == ".." || text.contains(bad) {
            return Err(EINVAL);
        }
        Ok(name)
    }

    /// The name for C.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        self.as_c_str().to_str().unwrap_or_default()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.first() == Some(&0)
    }
}

/// The values of all knobs of a namespace that are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// See [`Id::Syncdev`].
    pub(crate) syncdev: DeviceName,
    /// See [`Id::Group`] and [`Id::Peers`].
    pub(crate) transport: Transport,
    numbers: [i64; KNOBS.len()],
}

impl Settings {
    /// Every knob at its default.
    pub(crate) fn new() -> Self {
        Self {
            syncdev: DeviceName::default(),
            transport: Transport::new(),
            numbers: core::array::from_fn(|i| KNOBS[i].default),
        }
    }

    /// The value of a knob that is a number; 0 for another.
    pub(crate) fn number(&self, id: Id) -> i64 {
        self.numbers.get(id as usize).copied().unwrap_or(0)
    }

    /// The value as an unsigned number. The bounds of the table make it fit.
    pub(crate) fn unsigned(&self, id: Id) -> u32 {
        u32::try_from(self.number(id)).unwrap_or(0)
    }

    /// Sets a knob that is a number.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is out of bounds.
    pub(crate) fn set_number(&mut self, knob: &Knob, value: i64) -> Result {
        if !(knob.min..=knob.max).contains(&value) {
            return Err(EINVAL);
        }
        *self.numbers.get_mut(knob.id as usize).ok_or(EINVAL)? = value;
        Ok(())
    }

    /// Whether an engine that runs with `other` can go on with these, reconfigured.
    pub(crate) fn is_compatible(&self, other: &Self) -> bool {
        let mut same = *other;
        for id in [
            Id::L2drop,
            Id::ResyncRate,
            Id::ScrubInterval,
            Id::CountersInterval,
            Id::FlushUs,
            Id::HeartbeatMs,
            Id::TcpGrace,
        ] {
            same.numbers[id as usize] = self.number(id);
        }
        *self == same
    }

    /// Bits of the mark that select what is replicated; 0 is all.
    pub(crate) fn mark_mask(&self) -> u32 {
        u32::try_from(self.number(Id::Cmarkbit)).map_or(0, |bit| 1u32.checked_shl(bit).unwrap_or(0))
    }
}

/// Reads a whole number, decimal or with a prefix of Rust's (0x).
///
/// # Errors
///
/// `EINVAL`.
pub(crate) fn parse_number(text: &str) -> Result<i64> {
    let (text, radix) = match text.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (text, 10),
    };
    i64::from_str_radix(text, radix).map_err(|_| EINVAL)
}

/// Reads a state: a number, a word, or the historic `2` of an old hook for the primary.
///
/// # Errors
///
/// `EINVAL`.
pub(crate) fn parse_state(text: &str) -> Result<Role> {
    match text {
        "0" | "backup" => Ok(Role::Backup),
        "1" | "2" | "primary" => Ok(Role::Primary),
        _ => Err(EINVAL),
    }
}

/// What reading `state` gives.
pub(crate) fn state_number(role: Role) -> u32 {
    match role {
        Role::Backup => 0,
        Role::Primary => 1,
    }
}

// `Settings::number` finds a knob by its place in the table.
const _: () = {
    let mut i = 0;
    while i < KNOBS.len() {
        assert!(KNOBS[i].id as usize == i);
        i += 1;
    }
};
