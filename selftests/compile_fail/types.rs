// SPDX-License-Identifier: GPL-2.0

//! What rust/kapi does not let safe code do, since no type has it: each line with an `error:` is one, and there are no others. See
//! selftests/compile-fail.sh.

#![allow(dead_code)]

use kernel::sync::aref::ARef;

use crate::kapi::conn::{Bit, Conn, Fields, Status};
use crate::kapi::expect::ExpectLock;
use crate::kapi::new_conn::NewConn;
use crate::kapi::proto_state::Locked;
use crate::kapi::table::Bucket;
use crate::kapi::timeout::{Policy, SharedPolicy};

fn extends_a_confirmed_entry(conn: &ARef<Conn>) {
    conn.add_labels(); // error: E0599
}

fn confirms_without_nat(new: NewConn) {
    let _ = new.confirm(); // error: E0599
}

fn counts_an_entry_that_nobody_counts(entry: &Fields) {
    let _ = ARef::from(entry); // error: E0277
}

fn counts_a_policy_that_may_be_given_up(policy: &Policy) -> SharedPolicy {
    policy.clone() // error: E0308
}

fn sets_a_bit_of_the_kernel(status: &Status) {
    status.set_number(3); // error: E0624
    status.test_and_set(Bit(3)); // error: E0423
}

fn is_sent<T: Send>() {}

fn sends_what_is_locked_here() {
    is_sent::<Locked<'static>>(); // error: E0277
    is_sent::<Bucket>(); // error: E0277
    is_sent::<ExpectLock>(); // error: E0277
    is_sent::<NewConn>(); // error: E0277
}
