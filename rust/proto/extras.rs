// SPDX-License-Identifier: GPL-2.0

//! What conntrack keeps of a connection in extensions, as a plain value.

/// Most timeouts of a policy: those of TCP.
pub const POLICY_MAX: usize = 14;
/// Longest security context in bytes: SELinux' with some categories.
pub const SECCTX_MAX: usize = 64;

/// What conntrack keeps in extensions of an entry, and its security mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extras {
    /// When the connection began, in nanoseconds since 1970; 0 if that is not recorded.
    pub started_ns: u64,
    /// Packets of both directions, with [`Extras::HAS_COUNTERS`].
    pub packets: [u64; 2],
    /// Bytes of both directions, with [`Extras::HAS_COUNTERS`].
    pub bytes: [u64; 2],
    /// Labels: label `n` is bit `n % 64` of word `n / 64`.
    pub labels: [u64; 2],
    /// The SYN proxy's first sequence number, first timestamp and distance of timestamps, with
    /// [`Extras::HAS_SYNPROXY`].
    pub synproxy: [u32; 3],
    /// Timeouts of the connection's own policy in seconds, by state; the first `policy_length`.
    pub policy_s: [u32; POLICY_MAX],
    /// Security context, the first `secctx_length` bytes.
    pub secctx: [u8; SECCTX_MAX],
    /// Length of the security context; 0 if there is none.
    pub secctx_length: u8,
    /// Timeouts of the policy; 0 if there is none.
    pub policy_length: u8,
    /// `HAS_*`.
    pub has: u8,
}

impl Extras {
    /// `synproxy` holds something: the connection was opened through a SYN proxy.
    pub const HAS_SYNPROXY: u8 = 1;
    /// `packets` and `bytes` hold something.
    pub const HAS_COUNTERS: u8 = 2;
    /// The source was masqueraded: it became an address of the node's.
    pub const MASQUERADED: u8 = 4;
    /// With [`Extras::MASQUERADED`]: one of the interface itself that the connection leaves by.
    pub const OF_INTERFACE: u8 = 8;

    /// It has a security mark that cannot be told. Never sent.
    pub const LOST_SECMARK: u8 = 0x80;

    /// Leaves the counters out.
    pub fn forget_counters(&mut self) {
        self.has &= !Self::HAS_COUNTERS;
        (self.packets, self.bytes) = ([0; 2], [0; 2]);
    }

    /// None of these.
    pub const NONE: Extras = Extras {
        started_ns: 0,
        packets: [0; 2],
        bytes: [0; 2],
        labels: [0; 2],
        synproxy: [0; 3],
        policy_s: [0; POLICY_MAX],
        secctx: [0; SECCTX_MAX],
        secctx_length: 0,
        policy_length: 0,
        has: 0,
    };
}

impl Default for Extras {
    fn default() -> Self {
        Self::NONE
    }
}
