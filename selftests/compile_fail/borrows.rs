// SPDX-License-Identifier: GPL-2.0

//! What rust/kapi does not let safe code do, by ownership and lifetimes: each line with an `error:` is one, and there are no others.
//! See selftests/compile-fail.sh.

#![allow(dead_code)]

use kernel::sync::aref::ARef;
use kernel::sync::rcu;

use crate::kapi::conn::{Conn, Fields};
use crate::kapi::expect::{ExpectLock, Expectable, NewExpectation};
use crate::kapi::helper::Helper;
use crate::kapi::new_conn::{NewConn, Translated};
use crate::kapi::table::{Bucket, Table, Verdict};

// --- changes after an entry is confirmed ---

fn extends_a_confirmed_entry(mut new: Translated) {
    let _ = new.confirm();
    new.add_labels(); // error: E0382
}

fn keeps_what_is_confirmed(new: Translated) {
    let entry: &Fields = &new;
    let _ = new.confirm(); // error: E0505
    entry.set_mark(1);
}

fn gives_a_master_after_nat(mut new: NewConn, master: ARef<Conn>) {
    let _ = new.stand_in();
    new.set_master(master); // error: E0382
}

// --- references ---

fn gives_one_reference_to_two(a: &mut NewConn, b: &mut NewConn, master: ARef<Conn>) {
    a.set_master(master);
    b.set_master(master); // error: E0382
}

fn uses_an_entry_that_is_put(conn: ARef<Conn>) {
    let master = conn.master();
    drop(conn); // error: E0505
    let _ = master.map(|master| master.key());
}

fn keeps_an_entry_beyond_its_bucket(table: Table) {
    let bucket = Bucket::lock(table, 0);
    let conn = bucket.entries().next();
    drop(bucket); // error: E0505
    let _ = conn.map(|conn| conn.key());
}

fn keeps_an_entry_beyond_a_pass(table: Table) {
    let mut kept: Option<&Conn> = None;
    table.for_each(&mut |conn| {
        kept = Some(conn); // error: E0521
        Verdict::Keep
    });
    let _ = kept.map(|conn| conn.key());
}

// --- RCU ---

fn keeps_a_helper_beyond_rcu(conn: &Conn) {
    let rcu = rcu::read_lock();
    let helper = conn.helper(&rcu);
    drop(rcu); // error: E0505
    let _ = helper.map(Helper::class_max);
}

fn keeps_a_policy_beyond_rcu(conn: &Conn) {
    let rcu = rcu::read_lock();
    let policy = conn.policy(&rcu);
    drop(rcu); // error: E0505
    let _ = policy.and_then(|policy| policy.timeout(0));
}

fn expects_beyond_rcu(conn: &Conn, what: &Expectable<'static>) {
    let rcu = rcu::read_lock();
    let new = NewExpectation::new(conn, what, &rcu);
    drop(rcu); // error: E0505
    let _ = new.map(|new| new.add(1));
}

fn expects_without_a_master(conn: ARef<Conn>, what: &Expectable<'static>, rcu: &rcu::Guard) {
    let new = NewExpectation::new(&conn, what, rcu);
    drop(conn); // error: E0505
    let _ = new.map(|new| new.add(1));
}

// --- locks ---

fn changes_a_state_without_the_lock(conn: &Conn) {
    let mut locked = conn.lock();
    let tcp = locked.tcp();
    drop(locked); // error: E0505
    tcp.state = 0;
}

fn ends_an_expectation_that_is_looked_at(conn: &Conn) {
    let mut lock = ExpectLock::lock();
    let first = lock.of(conn).next();
    lock.retain(conn, |_| false); // error: E0502
    let _ = first.map(|first| first.expires());
}
