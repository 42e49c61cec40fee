// SPDX-License-Identifier: GPL-2.0

//! A connection that another one has announced, as a flat struct.

use super::key::Endpoints;
use super::relations::HelperName;

/// Longest name of a function, in bytes, with the NUL behind it.
pub const FUNCTION_NAME_MAX: usize = 32;

/// One connection that another one has announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expectation {
    /// Its original direction.
    pub tuple: Endpoints,
    /// Which bits of the source address matter.
    pub source_mask: [u8; 16],
    /// Which bits of the source port matter.
    pub source_port_mask: u16,
    /// Port that it is to be translated to.
    pub nat_port: u16,
    /// Address that it is to be translated to.
    pub nat_address: [u8; 16],
    /// Seconds that it is waited for.
    pub timeout_s: u32,
    /// Name of what the kernel is to do with it (`struct nf_ct_helper_expectfn`), if anything.
    pub function: [u8; FUNCTION_NAME_MAX],
    /// The helper that it is to get, if any.
    pub helper: HelperName,
    /// Its IP protocol.
    pub protocol: u8,
    /// `NF_CT_EXPECT_*`.
    pub flags: u8,
    /// The helper's class of expectations, below 4.
    pub class: u8,
    /// Direction of the master that NAT follows: 0 original, 1 reply.
    pub direction: u8,
    /// Its place in the list of the master, from 0, the oldest first.
    pub index: u8,
    /// Length of that list.
    pub count: u8,
}
