// SPDX-License-Identifier: GPL-2.0

//! A short run of the fuzzer; `make fuzz` is the long one.

#![cfg(not(loom))]

use ct_sync_host::fuzz::run;

#[test]
fn nothing_that_comes_in_does_harm() {
    (0..500).for_each(run);
}
