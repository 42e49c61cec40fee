// SPDX-License-Identifier: GPL-2.0

//! What ties a connection to others, its helper and its master; and what a helper's NAT has done to
//! its sequence numbers.
//!
//! Context: threads, or a bucket of the table that is locked; only [`prepare`] may sleep.

use core::ffi::CStr;

use kernel::sync::aref::ARef;
use kernel::sync::rcu;

use super::names::{find_helper, name, put_name};
use super::{expectations, Lost};
use crate::atomic::{Atomic, Full, Relaxed};
use crate::kapi::conn::{Bit, Conn, Fields};
use crate::kapi::helper;
use crate::kapi::new_conn::{NewConn, Refusal};
use crate::kapi::table::Table;
use crate::kapi::thread;
use crate::kapi::tuple::{Direction, Tuple, Zone};
use crate::proto::relations::{HelperName, SeqAdj};
use crate::proto::time::NS_PER_S;
use crate::proto::{Entry, Key};

// --- reading ---

/// Reads what an entry is tied to.
pub(super) fn read(conn: &Conn, rcu: &rcu::Guard, entry: &mut Entry) {
    let relations = &mut entry.relations;
    relations.seqadj = read_seqadj(conn);
    if let Some(helper) = conn.helper(rcu) {
        put_name(&mut relations.helper, helper.name());
    }
    if conn.expects() {
        let count = expectations::count(conn, rcu);
        (relations.expectations, relations.expectations_left_out) = (count.sent, count.left_out);
    }
    let Some(master) = conn.master().filter(|_| conn.is_expected()) else {
        return;
    };
    let tuple = master.tuple(Direction::Original);
    (relations.master, relations.master_protocol) = (tuple.endpoints(), tuple.protocol());
    if let Some(helper) = master.helper(rcu) {
        put_name(&mut relations.master_helper, helper.name());
    }
}

/// Reads how sequence numbers are changed.
fn read_seqadj(entry: &Fields) -> [SeqAdj; 2] {
    if !entry.status().has(Bit::SEQ_ADJUST) {
        return [SeqAdj::default(); 2];
    }
    let mut locked = entry.lock();
    locked.seqadj().map_or([SeqAdj::default(); 2], |seqadj| {
        seqadj.map(|direction| SeqAdj {
            position: direction.correction_pos,
            before: direction.offset_before,
            after: direction.offset_after,
        })
    })
}

// --- helper and master of a copy ---

/// When a helper was asked for last, in nanoseconds: anybody on syncdev can name one.
static ASKED_AT: Atomic<u64> = Atomic::new(0);
/// Between two of these, whatever they ask for.
const ASK_AGAIN_NS: u64 = NS_PER_S;

/// Has the module of a helper loaded that is not there. Nobody waits for that: a later record of
/// the connection, at the latest that of a scrub, finds it.
fn load_helper(name: &CStr) {
    let (now, asked) = (thread::now().0, ASKED_AT.load(Relaxed));
    let due = asked == 0 || now.saturating_sub(asked) >= ASK_AGAIN_NS;
    if due && ASKED_AT.cmpxchg(asked, now, Full).is_ok() {
        helper::request(name);
    }
}

/// Before a record is applied: whether its helper is lost, since it is not there. May sleep.
pub(super) fn prepare(record: &Entry) -> Lost {
    let bytes: &HelperName = &record.relations.helper;
    let Some(name) = name(bytes) else {
        return Lost::NONE;
    };
    let found = {
        let rcu = rcu::read_lock();
        find_helper(bytes, record.key.family, record.key.protocol, &rcu).is_some()
    };
    if found {
        return Lost::NONE;
    }
    load_helper(name);
    Lost::HELPER
}

/// Gives a new entry the helper of that name, if there is one.
pub(super) fn add_helper(new: &mut NewConn, bytes: &[u8], rcu: &rcu::Guard) -> Result<(), Refusal> {
    let tuple = new.tuple(Direction::Original);
    match find_helper(bytes, tuple.family(), tuple.protocol(), rcu) {
        Some(helper) => new.set_helper(helper, rcu),
        None => Ok(()),
    }
}

/// The key of the connection that has announced the one of a record.
fn master_key(record: &Entry) -> Key {
    Key {
        original: record.relations.master,
        protocol: record.relations.master_protocol,
        ..record.key
    }
}

/// An entry that stands in for a master that is not there (any more): it is in no hash table, has
/// the master's tuple and helper, and ends with its only child.
fn stand_in(table: Table, record: &Entry, rcu: &rcu::Guard) -> Option<ARef<Conn>> {
    let key = master_key(record);
    let original = Tuple::new(&key.original, key.family, key.protocol, Direction::Original);
    let mut new = NewConn::new_atomic(table.net(), Zone::of(&key), &original, rcu).ok()?;
    add_helper(&mut new, &record.relations.master_helper, rcu).ok()?;
    Some(new.stand_in())
}

/// Ties a new entry to its master, before its NAT is set up: NAT changes the keys of GRE only where
/// there is one.
pub(super) fn tie(new: &mut NewConn, table: Table, record: &Entry, rcu: &rcu::Guard) -> Lost {
    if record.relations.master_protocol == 0 {
        return Lost::NONE;
    }
    if let Some(master) = super::find_original(table, &master_key(record)) {
        new.set_master(master);
        return Lost::NONE;
    }
    if let Some(master) = stand_in(table, record, rcu) {
        new.set_master(master);
    }
    Lost::MASTER
}

/// Whether the master of a copy stands in for one that has come since: then another copy is due.
fn is_stood_in_for(master: &Conn, table: Table, record: &Entry) -> bool {
    !master.is_confirmed() && super::find_original(table, &master_key(record)).is_some()
}

fn master_fits(conn: &Conn, table: Table, record: &Entry) -> bool {
    let relations = &record.relations;
    match (conn.master(), relations.master_protocol) {
        (None, 0) => true,
        (Some(_), 0) | (None, _) => false,
        (Some(master), protocol) => {
            let family = record.key.family;
            let tuple = Tuple::new(&relations.master, family, protocol, Direction::Original);
            master.tuple(Direction::Original) == tuple && !is_stood_in_for(master, table, record)
        }
    }
}

/// Whether an entry has the helper and the master that the record names.
pub(super) fn fit(conn: &Conn, table: Table, record: &Entry) -> bool {
    let rcu = rcu::read_lock();
    let key = &record.key;
    let wanted = find_helper(&record.relations.helper, key.family, key.protocol, &rcu);
    let same = match (conn.helper(&rcu), wanted) {
        (Some(has), Some(wanted)) => core::ptr::eq(has, wanted),
        (has, wanted) => has.is_none() && wanted.is_none(),
    };
    same && master_fits(conn, table, record)
}

// --- what changes while a connection lives ---

/// Whether [`write`] would change nothing that matters.
pub(super) fn are_as(entry: &Fields, record: &Entry) -> bool {
    read_seqadj(entry) == record.relations.seqadj
}

fn write_seqadj(entry: &Fields, values: &[SeqAdj; 2]) {
    let adjusted = *values != [SeqAdj::default(); 2];
    if !adjusted && !entry.status().has(Bit::SEQ_ADJUST) {
        return;
    }
    {
        let mut locked = entry.lock();
        let Some(seqadj) = locked.seqadj() else {
            return;
        };
        for (place, value) in seqadj.iter_mut().zip(values) {
            place.correction_pos = value.position;
            (place.offset_before, place.offset_after) = (value.before, value.after);
        }
    }
    if adjusted {
        entry.status().change(0, Bit::SEQ_ADJUST.mask());
    }
}

/// Makes what may change be that of a record.
///
/// Only FTP's helper is told to pick up: the next packet of each side counts as the beginning of a
/// line. A node that was primary before knows where lines began by then, so this is due with each
/// record. What is expected is told of by records of its own, unless it is nothing.
pub(super) fn write(entry: &Fields, record: &Entry) {
    entry.pick_up();
    write_seqadj(entry, &record.relations.seqadj);
    if record.relations.expectations == 0 {
        entry.expect_nothing();
    }
}
