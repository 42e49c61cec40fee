// SPDX-License-Identifier: GPL-2.0

//! A record becomes true here: what is an update and what a new life, who gives way to whom, what
//! ends.
//!
//! Context: the receiver thread, with the mutex of the protocol held: one caller at a time for a
//! namespace.

use kernel::sync::aref::ARef;
use kernel::sync::rcu;

use super::extensions::{self, Resolved};
use super::policies::Policies;
use super::{find, find_surely, lifetime, local, masquerade, relations, status, windows, Lost};
use crate::kapi::conn::{Bit, Conn, Fields};
use crate::kapi::new_conn::{NewConn, Refusal};
use crate::kapi::proto_state::{protocol, sctp, tcp};
use crate::kapi::table::Table;
use crate::kapi::tuple::{Direction, Tuple, Zone};
use crate::proto::{Applied, Endpoints, Entry, Key};

/// How often an insertion is tried: an entry that dies is unlinked within microseconds.
const INSERT_ATTEMPTS: usize = 3;

/// Status bits that only rise in the life of a connection.
const RISING: u32 = Entry::SEEN_REPLY | Entry::ASSURED;
/// Status bits of a connection whose addresses are translated.
const NAT: u32 = Entry::SRC_NAT | Entry::DST_NAT;

/// Makes everything of an entry that may change while a connection lives be that of a record.
fn write_state(entry: &Fields, record: &Entry, resolved: &Resolved, mark: u8) {
    entry.status().change(0, (record.status & RISING) as usize);
    if record.has & Entry::HAS_TCP != 0 {
        windows::write(entry, record);
    }
    if record.has & Entry::HAS_SCTP != 0 {
        write_sctp(entry, record);
    }
    entry.set_mark(record.mark);
    relations::write(entry, record);
    extensions::write(entry, record, resolved);
    status::share(entry, mark);
    lifetime::write(entry, record);
}

/// While an association is set up, the client may repeat its INIT, and the server's next INIT ACK
/// then has another tag. COOKIE ACK ends that.
fn write_sctp(entry: &Fields, record: &Entry) {
    let mut locked = entry.lock();
    if let Some(association) = locked.sctp() {
        association.state = u32::from(record.state);
        association.vtag = record.sctp_vtag.map(u32::to_be);
        association.init[0] = u8::from(association.state < sctp::ESTABLISHED);
    }
}

/// Whether [`write_state`] would change nothing that matters; timeouts and windows do not.
fn is_as(conn: &Conn, record: &Entry, resolved: &Resolved) -> bool {
    let needed = (record.status & (RISING | Entry::FIXED_TIMEOUT)) as usize;
    if !conn.status().load() & needed != 0 || conn.mark().is_some_and(|mark| mark != record.mark) {
        return false;
    }
    if !relations::are_as(conn, record) || !extensions::are_as(conn, record, resolved) {
        return false;
    }
    if record.has & Entry::HAS_TCP != 0 {
        return windows::is_as(conn, record);
    }
    record.has & Entry::HAS_SCTP == 0 || sctp_is_as(conn, record)
}

fn sctp_is_as(conn: &Conn, record: &Entry) -> bool {
    let mut locked = conn.lock();
    locked.sctp().is_none_or(|association| {
        association.state == u32::from(record.state)
            && association.vtag.map(u32::from_be) == record.sctp_vtag
    })
}

/// Whether the kernel tracks the protocol and knows the state of a record.
fn is_supported(record: &Entry) -> bool {
    let number = record.key.protocol;
    if record.has & Entry::HAS_TCP != 0 {
        return number == protocol::TCP && record.state < tcp::MAX;
    }
    if record.has & Entry::HAS_SCTP != 0 {
        return crate::kapi::proto_state::tracks_sctp()
            && number == protocol::SCTP
            && u32::from(record.state) < sctp::MAX;
    }
    number != protocol::TCP && number != protocol::SCTP
}

/// The reply direction that a record says.
fn reply_of(record: &Entry) -> Tuple {
    let key = &record.key;
    Tuple::new(&record.reply, key.family, key.protocol, Direction::Reply)
}

// --- a new copy ---

/// An entry that is to become the copy of a record.
fn allocate(table: Table, record: &Entry) -> Result<NewConn, Refusal> {
    let key = &record.key;
    let original = Tuple::new(&key.original, key.family, key.protocol, Direction::Original);
    NewConn::new(table.net(), Zone::of(key), &original)
}

/// Makes it the copy of a record.
fn build(
    mut new: NewConn,
    table: Table,
    record: &Entry,
    resolved: &mut Resolved,
    mark: u8,
) -> Result<ARef<Conn>, Refusal> {
    let key = &record.key;
    let rcu = rcu::read_lock();
    resolved.lost |= relations::tie(&mut new, table, record, &rcu);
    relations::add_helper(&mut new, &record.relations.helper, &rcu)?;
    let mut new = new.translate(&reply_of(record), record.status & NAT != 0)?;
    extensions::add(&mut new, record, resolved);
    // Without it the second takeover would replicate nothing.
    new.add_events()?;
    if key.protocol == protocol::GRE {
        let [unreplied, replied] = lifetime::gre_timeouts(&new, &rcu);
        new.set_gre_timeouts(unreplied, replied);
    }
    masquerade::write(&new, record);
    write_state(&new, record, resolved, mark);
    new.confirm()
}

/// Makes a copy where there is none, after what is in its way is gone. There is memory for it
/// before anything has to go. Says in `replaced` whether an entry of this node's own gave way.
fn insert(
    table: Table,
    record: &Entry,
    resolved: &mut Resolved,
    mark: u8,
    replaced: &mut bool,
) -> Result<(), Obstacle> {
    let new = allocate(table, record)?;
    *replaced |= make_room(table, record).ok_or(Obstacle::Kept)?;
    let conn = build(new, table, record, resolved, mark)?;
    if record.key.protocol == protocol::GRE && record.key.original.src_port != 0 {
        // A packet of a PPTP call names the receiver's key only: the sender's is looked up in a
        // list that the helper has made of the call's reply. The kernel takes the call off the list
        // when it or its control connection ends.
        conn.map_keys();
    }
    Ok(())
}

/// Why there is no copy.
enum Obstacle {
    /// The kernel refuses the entry.
    Refused(Refusal),
    /// An assured entry of this node's own is in the way.
    Kept,
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether another attempt may do.
fn may_pass(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Busy | Refusal::Diverged)
}

/// What is said of a refusal.
fn refused(table: Table, refusal: Refusal) -> Applied {
    match refusal {
        Refusal::NoInverse => Applied::Refused,
        Refusal::NoEntry if table.count() >= table.max() => Applied::TableFull,
        Refusal::NoEntry | Refusal::NoMemory => Applied::NoMemory,
        Refusal::Diverged => Applied::NatDiverged,
        Refusal::Busy => Applied::Busy,
    }
}

// --- a copy that is there ---

/// Whether an entry is the copy of the same connection, so that an update will do, as far as can be
/// said without the reply. One that has seen more than the record says is of an older connection
/// with the same tuples, whose end and new beginning became one record.
fn is_copy(
    conn: &Conn,
    direction: Direction,
    table: Table,
    record: &Entry,
    resolved: &Resolved,
) -> bool {
    let seen = conn.status().load() & (RISING & !record.status) as usize;
    direction == Direction::Original
        && conn.zone() == Zone::of(&record.key)
        && status::is_shared(conn)
        && !conn.is_dying()
        && seen == 0
        && relations::fit(conn, table, record)
        && extensions::fit(conn, record, resolved)
}

/// Writes a record to the copy that it is about, and says whether that has changed anything.
fn overwrite(conn: &Conn, record: &Entry, resolved: &Resolved, mark: u8) -> Applied {
    let applied = match is_as(conn, record, resolved) {
        true => Applied::Unchanged,
        false => Applied::Updated,
    };
    write_state(conn, record, resolved, mark);
    applied
}

/// Makes the copy of a connection as a record says that leaves out what never changes.
/// [`Applied::Incomplete`] when there is no copy, or one of an older connection: it has seen more,
/// or has no NAT. Only a whole record helps then.
pub(super) fn update(
    table: Table,
    record: &Entry,
    mark: u8,
    policies: &mut Policies,
) -> (Applied, Lost) {
    let Some((conn, direction)) = find_record(table, record) else {
        return (Applied::Incomplete, Lost::NONE);
    };
    let resolved = Resolved::new(record, policies);
    let has_nat = conn.status().load() & NAT as usize != 0;
    if !is_copy(&conn, direction, table, record, &resolved) || has_nat != (record.status & NAT != 0)
    {
        return (Applied::Incomplete, Lost::NONE);
    }
    (overwrite(&conn, record, &resolved, mark), resolved.lost)
}

/// The same by a whole record; `None` when there is no copy of that connection.
fn update_whole(table: Table, record: &Entry, resolved: &Resolved, mark: u8) -> Option<Applied> {
    let (conn, direction) = find_record(table, record)?;
    let same = is_copy(&conn, direction, table, record, resolved)
        && conn.tuple(Direction::Reply) == reply_of(record);
    same.then(|| overwrite(&conn, record, resolved, mark))
}

/// The entry that has the original tuple of a record, in whatever direction.
fn find_record(table: Table, record: &Entry) -> Option<(ARef<Conn>, Direction)> {
    find(
        table,
        &record.key,
        Direction::Original,
        &record.key.original,
    )
}

// --- what is in the way ---

/// What became of an entry in the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evicted {
    /// There is none.
    None,
    /// A copy of an older connection gave way: the primary cannot have both.
    Copy,
    /// An entry of this node's that is not assured gave way: a stray packet makes one.
    Local,
    /// It is kept.
    Kept,
}

/// Makes room for a record where another entry has the tuple of its direction `of`.
fn evict(table: Table, key: &Key, of: Direction, ends: &Endpoints) -> Evicted {
    let Some((conn, _)) = find(table, key, of, ends) else {
        return Evicted::None;
    };
    let evicted = if status::is_shared(&conn) {
        Evicted::Copy
    } else if conn.status().has(Bit::ASSURED) {
        return Evicted::Kept;
    } else {
        Evicted::Local
    };
    status::renounce(&conn);
    conn.delete();
    evicted
}

/// Evicts from both tuples of a record. Returns whether an entry of this node's own gave way, and
/// `None` when one is there that is kept.
fn make_room(table: Table, record: &Entry) -> Option<bool> {
    let key = &record.key;
    let original = evict(table, key, Direction::Original, &key.original);
    if original == Evicted::Kept {
        return None;
    }
    match evict(table, key, Direction::Reply, &record.reply) {
        Evicted::Kept => None,
        reply => Some(original == Evicted::Local || reply == Evicted::Local),
    }
}

/// Makes the table say what a record says; also returns what of it could not be kept.
///
/// A flow that the primary forwards to an address of this node is this node's own affair; of what
/// is a copy already that need not be asked again, which would cost a resync two lookups of a route
/// for each entry. Stray packets and dying entries may get in the way of an insertion for a moment,
/// hence the attempts.
pub(super) fn upsert(
    table: Table,
    record: &Entry,
    mark: u8,
    policies: &mut Policies,
) -> (Applied, Lost) {
    if !is_supported(record) {
        return (Applied::UnsupportedProtocol, Lost::NONE);
    }
    let mut resolved = Resolved::new(record, policies);
    resolved.lost |= relations::prepare(record);
    if let Some(applied) = update_whole(table, record, &resolved, mark) {
        return (applied, resolved.lost);
    }
    if local::is_local_record(table.net(), record) {
        return (Applied::Own, Lost::NONE);
    }
    let mut replaced = false;
    let mut attempts = INSERT_ATTEMPTS;
    loop {
        attempts -= 1;
        match insert(table, record, &mut resolved, mark, &mut replaced) {
            Ok(()) if replaced => return (Applied::ReplacedLocal, resolved.lost),
            Ok(()) => return (Applied::Inserted, resolved.lost),
            Err(Obstacle::Kept) => return (Applied::Conflict, Lost::NONE),
            Err(Obstacle::Refused(refusal)) if !may_pass(refusal) || attempts == 0 => {
                return (refused(table, refusal), resolved.lost);
            }
            Err(Obstacle::Refused(_)) => {}
        }
    }
}

/// Ends the copy of a connection; an entry of this node's own stays.
pub(super) fn delete(table: Table, key: &Key) -> Applied {
    let Some(conn) = find_surely(table, key) else {
        return Applied::Absent;
    };
    if !status::is_shared(&conn) || conn.is_dying() {
        return Applied::Absent;
    }
    status::renounce(&conn);
    conn.delete();
    Applied::Deleted
}
