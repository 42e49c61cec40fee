// SPDX-License-Identifier: GPL-2.0

//! What ties a connection to others: its helper, its master, what it expects, and what a helper's
//! NAT has done to its sequence numbers.

use super::key::Endpoints;

/// Longest name of a helper, in bytes, with the NUL behind it.
pub const HELPER_NAME_MAX: usize = 16;
/// Expectations of one connection that are sent: a helper has few at a time, and some are told
/// again with each packet of the connection.
pub const EXPECTATIONS_MAX: u8 = 32;

/// The name of a helper, with NULs behind it; all NUL is none.
pub type HelperName = [u8; HELPER_NAME_MAX];

/// How the sequence numbers of one direction are changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SeqAdj {
    /// Where the last change was.
    pub position: u32,
    /// What is added up to there.
    pub before: i32,
    /// What is added behind it.
    pub after: i32,
}

/// Relations of one connection at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relations {
    /// Changes of the sequence numbers, original and reply direction.
    pub seqadj: [SeqAdj; 2],
    /// The original direction of the master, of the same family and zone.
    pub master: Endpoints,
    /// The helper that looks into the connection's packets.
    pub helper: HelperName,
    /// That of the master.
    pub master_helper: HelperName,
    /// IP protocol of the master; 0 if there is no master.
    pub master_protocol: u8,
    /// Connections that are expected; each is told of by a record of its own.
    pub expectations: u8,
    /// Those of which nothing can be told. Never sent.
    pub expectations_left_out: u8,
}
