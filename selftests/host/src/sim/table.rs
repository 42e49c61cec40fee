// SPDX-License-Identifier: GPL-2.0

//! The conntrack table of a simulated node.

use crate::proto::{Applied, Entry, Key, Stream, Table};
use std::collections::BTreeMap;

/// What orders keys, so that walks do not depend on a hasher.
pub(super) type Id = (u8, u16, u16);

/// The order of a key; the simulated connections differ in these.
pub(super) fn id(key: &Key) -> Id {
    (key.protocol, key.original.src_port, key.original.dst_port)
}

/// A connection and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Its state; the connmark is the number of the change that made it.
    pub(super) entry: Entry,
    /// Mark of the last resync that told of it, 0 if none.
    pub(super) mark: u8,
    /// Whether a sweep may take it.
    pub(super) replicated: bool,
}

/// The table.
#[derive(Default, Debug)]
pub(super) struct SimTable {
    /// The connections.
    pub(super) slots: BTreeMap<Id, Slot>,
    /// The stream whose records are being applied.
    pub(super) stream: Stream,
    /// Whether nothing may be applied: the node is primary.
    pub(super) closed: bool,
    /// The newest stream of which anything was applied.
    followed: Stream,
    /// For each key the newest change that this stream has told of.
    newest: BTreeMap<Id, (Stream, u32)>,
}

impl SimTable {
    /// How another table differs from this one.
    pub(super) fn difference(&self, other: &SimTable) -> Option<String> {
        for (id, slot) in &self.slots {
            match other.slots.get(id) {
                None => return Some(format!("it lacks {id:?}")),
                Some(held) if held.entry == slot.entry => {}
                Some(held) => {
                    let (is, should) = (held.entry.mark, slot.entry.mark);
                    let nat = if held.entry.reply == slot.entry.reply {
                        ""
                    } else {
                        ", with another NAT"
                    };
                    return Some(format!("{id:?} is at change {is} instead of {should}{nat}"));
                }
            }
        }
        let more = other.slots.keys().find(|id| !self.slots.contains_key(id));
        more.map(|id| format!("it has {id:?}, which is over"))
    }

    /// Checks that a record may be applied at all.
    fn check(&mut self) {
        assert!(!self.closed, "a primary applied a record");
        let rank = |stream: &Stream| (stream.epoch, stream.node_id);
        assert!(
            rank(&self.stream) >= rank(&self.followed),
            "a record of {:?} was applied after {:?}",
            self.stream,
            self.followed,
        );
        self.followed = self.stream;
    }
}

impl Table for SimTable {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        self.check();
        let id = id(&entry.key);
        let newest = self.newest.entry(id).or_default();
        assert!(
            newest.0 != self.stream || newest.1 <= entry.mark,
            "{id:?} was taken from change {} back to {} within {:?}",
            newest.1,
            entry.mark,
            self.stream,
        );
        *newest = (self.stream, entry.mark);
        let slot = Slot {
            entry: *entry,
            mark,
            replicated: true,
        };
        match self.slots.insert(id, slot) {
            None => Applied::Inserted,
            Some(old) if old.replicated && old.entry == *entry => Applied::Unchanged,
            Some(old) if old.replicated => Applied::Updated,
            Some(_) => Applied::ReplacedLocal,
        }
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        self.check();
        let id = id(&entry.key);
        let newest = self.newest.get(&id).filter(|told| told.0 == self.stream);
        assert!(
            newest.is_none_or(|told| told.1 <= entry.mark),
            "{id:?} was taken back to change {} within {:?}",
            entry.mark,
            self.stream,
        );
        let nat = |entry: &Entry| entry.status & (Entry::SRC_NAT | Entry::DST_NAT);
        let held = self.slots.get_mut(&id);
        let Some(slot) = held.filter(|slot| slot.replicated && nat(&slot.entry) == nat(entry))
        else {
            return Applied::Incomplete;
        };
        let entry = Entry {
            reply: slot.entry.reply,
            ..*entry
        };
        let same = slot.entry == entry;
        (slot.entry, slot.mark) = (entry, mark);
        self.newest.insert(id, (self.stream, entry.mark));
        match same {
            true => Applied::Unchanged,
            false => Applied::Updated,
        }
    }

    fn delete(&mut self, key: &Key) -> Applied {
        self.check();
        match self.slots.remove(&id(key)) {
            Some(_) => Applied::Deleted,
            None => Applied::Absent,
        }
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        self.check();
        let before = self.slots.len();
        self.slots
            .retain(|_, slot| !slot.replicated || slot.mark == mark);
        (before - self.slots.len()) as u32
    }

    fn forget_marks(&mut self) {
        self.slots.values_mut().for_each(|slot| slot.mark = 0);
    }
}
