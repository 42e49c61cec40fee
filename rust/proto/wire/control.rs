// SPDX-License-Identifier: GPL-2.0

//! The payloads of frames that are not numbered: heartbeats, NACKs and requests (§6, §7, §8).

use super::bytes::{Reader, Writer};
use super::range::{put_range, take_range};
use crate::proto::range::Range;
use crate::proto::stream::Stream;

/// Length of a heartbeat's fixed part in bytes.
const HEARTBEAT_LEN: usize = 32;
/// Peers that one heartbeat names at most, so that it fits any MTU.
pub const HEARD_MAX: usize = 32;
/// Bytes that a heartbeat takes for each peer it names.
const HEARD_LEN: usize = 8;
/// Ranges that one NACK names at most, so that it fits any MTU.
pub const NACK_RANGES_MAX: usize = 16;
/// Longest payload of a frame that is not numbered, in bytes.
pub(in crate::proto) const CONTROL_MAX: usize = HEARTBEAT_LEN + HEARD_MAX * HEARD_LEN;

/// The fixed part of a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heartbeat {
    /// A primary's own stream, or the newest that a backup has followed.
    pub stream: Stream,
    /// Last number of that stream that was sent (by a primary) or taken (by a backup).
    pub applied: u64,
    /// Entries in the conntrack table.
    pub table_count: u32,
    /// Limit of the conntrack table, 0 if not known.
    pub table_max: u32,
}

/// One peer that the sender of a heartbeat hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The peer.
    pub node_id: u32,
    /// Milliseconds since its last frame.
    pub age_ms: u32,
}

/// Writes a stream: epoch, node, incarnation.
fn put_stream(w: &mut Writer<'_>, stream: &Stream) {
    w.u64(stream.epoch);
    w.u32(stream.node_id);
    w.u32(stream.incarnation);
}

/// Reads a stream.
fn take_stream(r: &mut Reader<'_>) -> Option<Stream> {
    Some(Stream {
        epoch: r.u64()?,
        node_id: r.u32()?,
        incarnation: r.u32()?,
    })
}

impl Heartbeat {
    /// Writes the payload of a heartbeat that names `heard`.
    pub(in crate::proto) fn encode(&self, heard: impl Iterator<Item = Heard>, w: &mut Writer<'_>) {
        put_stream(w, &self.stream);
        w.u64(self.applied);
        w.u32(self.table_count);
        w.u32(self.table_max);
        for peer in heard.take(HEARD_MAX) {
            w.u32(peer.node_id);
            w.u32(peer.age_ms);
        }
    }

    /// Splits the payload of a heartbeat; `None` if it is too short.
    pub fn decode(payload: &[u8]) -> Option<(Heartbeat, HeardIter<'_>)> {
        let mut r = Reader(payload);
        let heartbeat = Heartbeat {
            stream: take_stream(&mut r)?,
            applied: r.u64()?,
            table_count: r.u32()?,
            table_max: r.u32()?,
        };
        Some((heartbeat, HeardIter(r)))
    }
}

/// The peers that a heartbeat names; a rest that is too short for one is ignored.
#[derive(Clone, Copy)]
pub struct HeardIter<'a>(Reader<'a>);

impl Iterator for HeardIter<'_> {
    type Item = Heard;

    fn next(&mut self) -> Option<Heard> {
        Some(Heard {
            node_id: self.0.u32()?,
            age_ms: self.0.u32()?,
        })
    }
}

/// The fixed part of a NACK: a backup reports numbers that it lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nack {
    /// The stream in which they are missing.
    pub stream: Stream,
    /// Highest number of that stream that the sender knows to have been used.
    pub taken: u64,
}

impl Nack {
    /// Writes the payload of a NACK that names `missing`.
    pub(in crate::proto) fn encode(&self, missing: &[Range], w: &mut Writer<'_>) {
        put_stream(w, &self.stream);
        w.u64(self.taken);
        for range in missing.iter().take(NACK_RANGES_MAX) {
            put_range(w, range);
        }
    }

    /// Splits the payload of a NACK; `None` if it is too short.
    pub fn decode(payload: &[u8]) -> Option<(Nack, RangeIter<'_>)> {
        let mut r = Reader(payload);
        let nack = Nack {
            stream: take_stream(&mut r)?,
            taken: r.u64()?,
        };
        Some((nack, RangeIter(r, NACK_RANGES_MAX)))
    }
}

/// The ranges that a NACK names; it ends at one that is malformed.
#[derive(Clone, Copy)]
pub struct RangeIter<'a>(Reader<'a>, usize);

impl Iterator for RangeIter<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        self.1 = self.1.checked_sub(1)?;
        take_range(&mut self.0)
    }
}

/// A backup asks for a full resync.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResyncRequest {
    /// The stream that is asked for; [`Stream::NONE`] asks every primary.
    pub stream: Stream,
    /// Number of that stream from which on the sender can do without having been told before: a
    /// resync that begins there or later is of use. 0 if it knows no number yet.
    pub from: u64,
}

impl ResyncRequest {
    /// Writes the payload of a request.
    pub(in crate::proto) fn encode(&self, w: &mut Writer<'_>) {
        put_stream(w, &self.stream);
        w.u64(self.from);
    }

    /// Reads the payload of a request; `None` if it is too short.
    pub fn decode(payload: &[u8]) -> Option<ResyncRequest> {
        let mut r = Reader(payload);
        Some(ResyncRequest {
            stream: take_stream(&mut r)?,
            from: r.u64()?,
        })
    }
}
