// SPDX-License-Identifier: GPL-2.0

//! The commands, a file for each.

pub mod check;
pub mod diff;
pub mod documents;
pub mod dump;
pub mod events;
pub mod fifo;
pub mod import;
pub mod metrics;
pub mod report;
pub mod set;
pub mod sniff;
pub mod status;
pub mod wait;
pub mod watch;

use serde_json::Value;

use crate::style::Style;
use crate::system::System;

/// What a command works with.
pub struct Context {
    /// The machine.
    pub system: System,
    /// Whether to write JSON.
    pub json: bool,
    /// The colours.
    pub style: Style,
}

/// The heartbeat's period in milliseconds, or its default if it cannot be read.
pub fn heartbeat_ms(system: &System) -> u64 {
    let knob = system.knob_number("heartbeat_ms");
    knob.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(1000)
}

/// Writes a document.
pub fn print_json(value: &Value) {
    println!("{value:#}");
}
