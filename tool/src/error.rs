// SPDX-License-Identifier: GPL-2.0

//! What ends the program early: one sentence for a person and the exit status.

use std::fmt;

/// Exit status: all is well.
pub const HEALTHY: u8 = 0;
/// Exit status: replication runs, but a failover now would lose connections, or the answer is no.
pub const DEGRADED: u8 = 1;
/// Exit status: replication does not run, or a fault was found.
pub const DOWN: u8 = 2;
/// Exit status: the program could not do what it was asked to.
pub const UNKNOWN: u8 = 3;

/// A failure that ends the program.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// One sentence that says what to do.
    pub message: String,
    /// The exit status.
    pub status: u8,
}

/// The result of a command: its exit status.
pub type Outcome = Result<u8, Error>;

impl Error {
    /// A failure of which nothing more is known: status 3.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: UNKNOWN,
        }
    }

    /// The same with another exit status.
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
