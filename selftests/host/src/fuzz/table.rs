// SPDX-License-Identifier: GPL-2.0

//! A table that believes nothing: what it is given has to be what `conntrack/` relies on.

use crate::proto::entry::{FAMILY_V4, FAMILY_V6, ZONE_DIR_BOTH};
use crate::proto::relations::EXPECTATIONS_MAX;
use crate::proto::{Applied, Entry, Expectation, Expected, Key, Table};
use crate::sim::Rng;

/// Entries at most, so that it is full now and then.
const MAX: usize = 40;
/// Why an insertion may be refused that is possible.
const REFUSALS: [Applied; 6] = [
    Applied::Conflict,
    Applied::NoMemory,
    Applied::UnsupportedProtocol,
    Applied::NatDiverged,
    Applied::Busy,
    Applied::Refused,
];

/// The table.
pub(super) struct Doubter {
    entries: Vec<(Entry, u8)>,
    rng: Rng,
}

impl Doubter {
    /// An empty table.
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            entries: Vec::new(),
            rng: Rng::new(rng.bits()),
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry in a place.
    pub(super) fn entry(&self, place: usize) -> Option<Entry> {
        self.entries.get(place).map(|&(entry, _)| entry)
    }

    /// The entry with a key.
    pub(super) fn find(&self, key: &Key) -> Option<Entry> {
        self.place(key).and_then(|place| self.entry(place))
    }

    /// Where the entry with a key is.
    fn place(&self, key: &Key) -> Option<usize> {
        self.entries.iter().position(|(entry, _)| entry.key == *key)
    }

    /// A connection of the node's own begins, changes or ends. Returns whether it was there.
    pub(super) fn set(&mut self, entry: &Entry, ends: bool) -> bool {
        let place = self.place(&entry.key);
        match place {
            Some(place) if ends => drop(self.entries.swap_remove(place)),
            Some(place) => self.entries[place].0 = *entry,
            None if !ends && self.entries.len() < MAX => self.entries.push((*entry, 0)),
            None => {}
        }
        place.is_some()
    }

    /// Entries get lost.
    pub(super) fn lose(&mut self, rng: &mut Rng) {
        let left = rng.below(self.entries.len() as u64 + 1);
        self.entries.truncate(left as usize);
    }
}

impl Table for Doubter {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        check(entry, mark);
        let place = self.place(&entry.key);
        if place.is_none() && self.entries.len() >= MAX {
            return Applied::TableFull;
        }
        if place.is_none() && self.rng.happens(50_000) {
            return *self.rng.of(&REFUSALS);
        }
        match place {
            Some(place) if self.entries[place].0 == *entry => {
                self.entries[place].1 = mark;
                Applied::Unchanged
            }
            Some(place) => {
                self.entries[place] = (*entry, mark);
                Applied::Updated
            }
            None => {
                self.entries.push((*entry, mark));
                Applied::Inserted
            }
        }
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        check(entry, mark);
        let Some(place) = self.place(&entry.key) else {
            return Applied::Incomplete;
        };
        let reply = self.entries[place].0.reply;
        self.entries[place] = (Entry { reply, ..*entry }, mark);
        Applied::Updated
    }

    fn expect(&mut self, master: &Key, expectation: &Expectation) -> Expected {
        assert!(expectation.index < expectation.count && expectation.count <= EXPECTATIONS_MAX);
        assert!(expectation.class < 4 && expectation.direction <= 1);
        assert!(expectation.flags & !3 == 0 && expectation.protocol != 0);
        assert_eq!(expectation.function.last(), Some(&0), "it is a string");
        assert_eq!(expectation.helper.last(), Some(&0), "it is a string");
        match self.place(master) {
            Some(_) => Expected::Added,
            None => Expected::Refused,
        }
    }

    fn delete(&mut self, key: &Key) -> Applied {
        check_key(key);
        match self.place(key) {
            Some(place) => {
                self.entries.swap_remove(place);
                Applied::Deleted
            }
            None => Applied::Absent,
        }
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        assert_ne!(mark, 0, "0 is left to entries without a mark");
        let before = self.entries.len();
        self.entries.retain(|&(_, stamp)| stamp == mark);
        (before - self.entries.len()) as u32
    }

    fn forget_marks(&mut self) {
        self.entries.iter_mut().for_each(|(_, mark)| *mark = 0);
    }
}

/// Checks what is given to C as the name of a connection.
fn check_key(key: &Key) {
    assert!([FAMILY_V4, FAMILY_V6].contains(&key.family), "{key:?}");
    assert!((1..=ZONE_DIR_BOTH).contains(&key.zone_dir), "{key:?}");
    assert_ne!(key.protocol, 0, "{key:?}");
    assert_eq!(key.hints, 0, "{key:?}");
    if key.family == FAMILY_V4 {
        let tails = [&key.original.src[4..], &key.original.dst[4..]];
        assert_eq!(tails, [[0; 12]; 2], "{key:?}");
    }
}

/// Checks what is given to C as the state of a connection.
fn check(entry: &Entry, mark: u8) {
    assert_ne!(mark, 0, "0 is left to entries without a mark");
    check_key(&entry.key);
    assert_eq!(entry.status & !Entry::STATUS_MASK, 0, "{entry:?}");
    let local = Entry::KNOWN | Entry::DIRTY | Entry::WITHDRAWN;
    assert_eq!(entry.has & local, 0, "{entry:?}");
    let tcp = entry.has & Entry::HAS_TCP != 0;
    let windows = entry.has & Entry::HAS_TCP_WINDOW != 0;
    let sctp = entry.has & Entry::HAS_SCTP != 0;
    assert!(!tcp || entry.key.protocol == 6, "{entry:?}");
    assert!(!windows || tcp, "{entry:?}");
    assert!(!sctp || entry.key.protocol == 132, "{entry:?}");
    assert!(entry.state < 10, "{entry:?}");
    assert!(
        entry.tcp_scale.iter().all(|&scale| scale <= 14),
        "{entry:?}"
    );
    if entry.key.family == FAMILY_V4 {
        let tails = [&entry.reply.src[4..], &entry.reply.dst[4..]];
        assert_eq!(tails, [[0; 12]; 2], "{entry:?}");
    }
    let relations = &entry.relations;
    assert_eq!(relations.helper.last(), Some(&0), "it is a string");
    assert_eq!(relations.master_helper.last(), Some(&0), "it is a string");
    assert!(relations.expectations <= EXPECTATIONS_MAX);
}

/// One of a few connections, in one of many states.
pub(super) fn connection(rng: &mut Rng) -> Entry {
    let mut key = Key {
        zone_dir: ZONE_DIR_BOTH,
        family: *rng.of(&[FAMILY_V4, FAMILY_V6]),
        protocol: *rng.of(&[6, 17, 1, 58, 132]),
        ..Key::default()
    };
    key.original.src[0] = 10;
    key.original.dst[0] = 192;
    key.original.src_port = rng.below(8) as u16;
    key.original.dst_port = 8 << 8;
    if rng.happens(200_000) {
        (key.zone, key.zone_dir) = (7, 1);
    }
    let mut entry = Entry {
        key,
        reply: key.original,
        status: rng.bits() as u32 & Entry::STATUS_MASK,
        mark: rng.below(3) as u32,
        ..Entry::default()
    };
    std::mem::swap(&mut entry.reply.src, &mut entry.reply.dst);
    entry.reply.dst[3] = rng.below(3) as u8;
    match key.protocol {
        6 => {
            entry.has = *rng.of(&[Entry::HAS_TCP, Entry::HAS_TCP | Entry::HAS_TCP_WINDOW]);
            entry.state = rng.below(10) as u8;
            entry.tcp_window[1].max_ack = rng.bits() as u32;
        }
        132 => {
            entry.has = Entry::HAS_SCTP;
            entry.state = rng.below(10) as u8;
        }
        _ => {}
    }
    entry
}
