// SPDX-License-Identifier: GPL-2.0

//! The conntrack table of a simulated node.

use super::numbered::Numbered;
use crate::proto::{Applied, Entry, Expectation, Expected, Key, Stream, Table};

/// The number of a connection: the simulated ones differ in this only.
pub(super) fn number(key: &Key) -> u16 {
    key.original.src_port
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
    pub(super) slots: Numbered<Slot>,
    /// Connections that are refused: something of this node's own is in their way.
    pub(super) taken: Numbered<()>,
    /// The stream whose records are being applied.
    pub(super) stream: Stream,
    /// Whether nothing may be applied: the node is primary.
    pub(super) closed: bool,
    /// The newest stream of which anything was applied.
    followed: Stream,
    /// For each key the newest change that this stream has told of.
    newest: Numbered<(Stream, u32)>,
}

impl SimTable {
    /// How another table differs from this one.
    pub(super) fn difference(&self, other: &SimTable) -> Option<String> {
        for (id, slot) in self.slots.iter() {
            match other.slots.get(id) {
                None => return Some(format!("it lacks {id}")),
                Some(held) if held.entry == slot.entry => {}
                Some(held) => {
                    let (is, should) = (held.entry.mark, slot.entry.mark);
                    let nat = if held.entry.reply == slot.entry.reply {
                        ""
                    } else {
                        ", with another NAT"
                    };
                    return Some(format!("{id} is at change {is} instead of {should}{nat}"));
                }
            }
        }
        let mut others = other.slots.iter();
        let more = others.find(|&(id, _)| self.slots.get(id).is_none());
        more.map(|(id, _)| format!("it has {id}, which is over"))
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

    /// Checks that a stream takes no connection backwards.
    fn advance(&mut self, id: u16, change: u32) {
        if let Some((stream, newest)) = self.newest.insert(id, (self.stream, change)) {
            assert!(
                stream != self.stream || newest <= change,
                "{id} was taken from change {newest} back to {change} within {stream:?}",
            );
        }
    }
}

impl Table for SimTable {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        self.check();
        let id = number(&entry.key);
        if self.taken.get(id).is_some() {
            return Applied::Conflict;
        }
        self.advance(id, entry.mark);
        let Some(slot) = self.slots.get_mut(id) else {
            let slot = Slot {
                entry: *entry,
                mark,
                replicated: true,
            };
            self.slots.insert(id, slot);
            return Applied::Inserted;
        };
        slot.mark = mark;
        if !core::mem::replace(&mut slot.replicated, true) {
            slot.entry = *entry;
            Applied::ReplacedLocal
        } else if slot.entry == *entry {
            Applied::Unchanged
        } else {
            slot.entry = *entry;
            Applied::Updated
        }
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        self.check();
        let id = number(&entry.key);
        let nat = |entry: &Entry| entry.status & (Entry::SRC_NAT | Entry::DST_NAT);
        let held = self.slots.get_mut(id);
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
        self.advance(id, entry.mark);
        match same {
            true => Applied::Unchanged,
            false => Applied::Updated,
        }
    }

    fn expect(&mut self, _master: &Key, _expectation: &Expectation) -> Expected {
        self.check();
        Expected::Known
    }

    fn delete(&mut self, key: &Key) -> Applied {
        self.check();
        match self.slots.remove(number(key)) {
            Some(_) => Applied::Deleted,
            None => Applied::Absent,
        }
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        self.check();
        self.slots
            .retain(|slot| !slot.replicated || slot.mark == mark) as u32
    }

    fn forget_marks(&mut self) {
        self.slots.values_mut().for_each(|slot| slot.mark = 0);
    }
}
