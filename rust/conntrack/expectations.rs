// SPDX-License-Identifier: GPL-2.0

//! What connections expect: other connections that they have announced, a list for each.
//!
//! Context: threads, or what the functions say; nothing here sleeps.

use kernel::sync::rcu;

use super::names::{find_helper, name, put_name};
use super::status;
use crate::kapi::conn::{self, Conn};
use crate::kapi::expect::{
    ExpectLock, Expectable, Expected, ExpectedNat, Function, NewExpectation, CLASSES_MAX, INACTIVE,
    OWN_FLAG, PERMANENT, USERSPACE,
};
use crate::kapi::tuple::{Direction, Tuple};
use crate::proto::relations::EXPECTATIONS_MAX;
use crate::proto::{self, Expectation};

/// Flags of an expectation that mean the same on every node.
const FLAGS_SENT: u32 = PERMANENT | INACTIVE;
/// It has not been told of since the first of its list was.
const STALE: u32 = OWN_FLAG;

// --- of the primary ---

/// How many expectations of a connection are told of, and how many are not.
pub(super) struct Count {
    pub(super) sent: u8,
    pub(super) left_out: u8,
}

/// Whether another node can make of it what it is here: a function must have a name.
fn is_sendable(conn: &Conn, what: &Expectable<'_>, rcu: &rcu::Guard) -> bool {
    what.flags() & USERSPACE == 0
        && what.tuple().family() == conn.tuple(Direction::Original).family()
        && u32::from(what.class()) < CLASSES_MAX
        && (what.function().is_none() || what.function().name(rcu).is_some())
}

/// Those that are told of, the newest first.
fn sendable<'l>(
    lock: &'l ExpectLock,
    conn: &'l Conn,
    rcu: &'l rcu::Guard,
) -> impl Iterator<Item = Expected<'l>> {
    lock.of(conn)
        .filter(|expected| expected.expires() != 0)
        .filter(move |expected| is_sendable(conn, &expected.read(), rcu))
}

fn count_locked(lock: &ExpectLock, conn: &Conn, rcu: &rcu::Guard) -> Count {
    let all = lock.of(conn).filter(|expected| expected.expires() != 0);
    let sent = sendable(lock, conn, rcu)
        .count()
        .min(usize::from(EXPECTATIONS_MAX)) as u8;
    let left_out = all.count().saturating_sub(usize::from(sent));
    Count {
        sent,
        left_out: u8::try_from(left_out).unwrap_or(u8::MAX),
    }
}

/// Counts what a connection expects. The bucket of the table may be locked: the kernel takes the
/// locks in that order as well, to end a connection.
pub(super) fn count(conn: &Conn, rcu: &rcu::Guard) -> Count {
    count_locked(&ExpectLock::lock(), conn, rcu)
}

/// Reads expectation number `index` of those that are sent, the oldest first; `None` if there are
/// not as many (any more).
pub(super) fn read(conn: &Conn, index: u8) -> Option<Expectation> {
    let rcu = rcu::read_lock();
    let lock = ExpectLock::lock();
    let count = count_locked(&lock, conn, &rcu);
    // The list has the newest first.
    let place = count.sent.checked_sub(index.checked_add(1)?)?;
    let expected = sendable(&lock, conn, &rcu).nth(usize::from(place))?;
    let (what, left) = (expected.read(), expected.expires());
    let (tuple, nat) = (what.tuple(), what.nat());
    let (source_mask, source_port_mask) = what.mask();
    let mut expectation = Expectation {
        tuple: tuple.endpoints(),
        source_mask,
        source_port_mask,
        nat_port: nat.port,
        nat_address: nat.address,
        timeout_s: conn::seconds_up(left.max(1)),
        protocol: tuple.protocol(),
        flags: (what.flags() & FLAGS_SENT) as u8,
        class: what.class(),
        direction: nat.direction,
        ..Expectation::default()
    };
    if let Some(function) = what.function().name(&rcu) {
        put_name(&mut expectation.function, function);
    }
    if let Some(helper) = what.helper() {
        put_name(&mut expectation.helper, helper.name());
    }
    Some(expectation)
}

// --- of a copy ---

/// What a record says, in terms of this node; `None` when a function or a helper that it names is
/// not there: without its NAT the expected connection would be a wrong one.
fn resolve<'g>(
    conn: &Conn,
    expectation: &Expectation,
    rcu: &'g rcu::Guard,
) -> Option<Expectable<'g>> {
    let family = conn.tuple(Direction::Original).family();
    let function = match name(&expectation.function) {
        Some(name) => Function::find(name, rcu)?,
        None => Function::NONE,
    };
    let helper = match name(&expectation.helper) {
        Some(_) => Some(find_helper(
            &expectation.helper,
            family,
            expectation.protocol,
            rcu,
        )?),
        None => None,
    };
    let tuple = Tuple::new(
        &expectation.tuple,
        family,
        expectation.protocol,
        Direction::Original,
    );
    let nat = ExpectedNat {
        address: expectation.nat_address,
        port: expectation.nat_port,
        direction: expectation.direction,
    };
    let what = Expectable::new(
        &tuple,
        &expectation.source_mask,
        expectation.source_port_mask,
        expectation.class,
        u32::from(expectation.flags) & FLAGS_SENT,
    );
    Some(what.with(function, helper, nat))
}

/// Begins a list where the expectation is its first, and looks whether it is there already: then
/// only what may change is written.
fn refresh(conn: &Conn, what: &Expectable<'_>, expectation: &Expectation) -> bool {
    let mut found = false;
    let lock = ExpectLock::lock();
    for expected in lock.of(conn) {
        let current = expected.read();
        if !found && expected.expires() != 0 && current.is_same(what) {
            expected.set_flags(what.flags());
            expected.set_expires(conn::jiffies(expectation.timeout_s));
            found = true;
        } else if expectation.index == 0 {
            expected.set_flags(current.flags() | STALE);
        }
    }
    found
}

/// Has a copy expect what a record says.
fn expect_one(conn: &Conn, expectation: &Expectation, rcu: &rcu::Guard) -> proto::Expected {
    let Some(what) = resolve(conn, expectation, rcu) else {
        return proto::Expected::Refused;
    };
    let Some(new) = NewExpectation::new(conn, &what, rcu) else {
        return proto::Expected::Refused;
    };
    if refresh(conn, &what, expectation) {
        proto::Expected::Known
    } else if new.add(conn::jiffies(expectation.timeout_s)) {
        proto::Expected::Added
    } else {
        proto::Expected::Refused
    }
}

/// Has the copy of a connection expect what a record says, and when that is the last one of the
/// list nothing else.
pub(super) fn expect(conn: &Conn, expectation: &Expectation) -> proto::Expected {
    if !status::is_shared(conn) || conn.is_dying() || !conn.has_helper() {
        return proto::Expected::Refused;
    }
    let expected = expect_one(conn, expectation, &rcu::read_lock());
    if expectation.index.saturating_add(1) >= expectation.count {
        ExpectLock::lock().retain(conn, |expected| expected.read().flags() & STALE == 0);
    }
    expected
}
