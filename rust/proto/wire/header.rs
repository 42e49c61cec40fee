// SPDX-License-Identifier: GPL-2.0

//! The header that every frame begins with (§3).

use super::bytes::{Reader, Writer};
use crate::proto::stream::{Role, Stream};
use crate::stats::Counter;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 40;
/// `CTSY`: the first bytes of every frame.
pub const MAGIC: u32 = 0x4354_5359;
/// Version of the protocol; frames of another are refused.
pub const VERSION: u8 = 1;

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Numbered records of a primary.
    Data = 1,
    /// Sign of life of any node.
    Heartbeat = 2,
    /// Report of missing numbers.
    Nack = 3,
    /// Request for a full resync.
    ResyncRequest = 4,
}

impl Kind {
    /// The kind of a number on the wire.
    fn from_wire(value: u8) -> Option<Kind> {
        const ALL: [Kind; 4] = [Kind::Data, Kind::Heartbeat, Kind::Nack, Kind::ResyncRequest];
        ALL.into_iter().find(|&kind| kind as u8 == value)
    }
}

/// Flag: the sender is primary.
pub const FLAG_PRIMARY: u8 = 1;
/// Flag: the sender has all that its primary has.
pub const FLAG_SYNCED: u8 = 2;
/// Flag of a heartbeat: the sender follows a primary that it has heard lately.
pub const FLAG_FOLLOWS: u8 = 4;

/// The decoded header, without what is the same in all frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// `FLAG_*`; others are ignored.
    pub flags: u8,
    /// Cluster of the sender.
    pub cluster_id: u32,
    /// The sender.
    pub node_id: u32,
    /// The life of the sender.
    pub incarnation: u32,
    /// Records in the payload.
    pub count: u16,
    /// Epoch of a primary; the highest known of a backup.
    pub epoch: u64,
    /// Number of a data frame; the last number used in other frames of a primary.
    pub seq: u64,
}

impl Header {
    /// The stream that a frame of a primary belongs to.
    pub fn stream(&self) -> Stream {
        Stream {
            epoch: self.epoch,
            node_id: self.node_id,
            incarnation: self.incarnation,
        }
    }

    /// The role of the sender.
    pub fn role(&self) -> Role {
        if self.flags & FLAG_PRIMARY != 0 {
            Role::Primary
        } else {
            Role::Backup
        }
    }

    /// Writes the header of a frame with `payload` bytes behind it.
    pub(in crate::proto) fn encode(&self, payload: u16, frame: &mut [u8]) {
        let mut w = Writer::new(frame);
        w.u32(MAGIC);
        w.u8(VERSION);
        w.u8(self.kind as u8);
        w.u8(self.flags);
        w.u8(0);
        w.u32(self.cluster_id);
        w.u32(self.node_id);
        w.u32(self.incarnation);
        w.u16(self.count);
        w.u16(payload);
        w.u64(self.epoch);
        w.u64(self.seq);
    }

    /// Splits a datagram into header and payload.
    ///
    /// # Errors
    ///
    /// The counter that names why the frame is refused.
    pub fn decode(frame: &[u8]) -> Result<(Header, &[u8]), Counter> {
        let mut r = Reader(frame);
        let short = Counter::FramesShort;
        if r.u32().ok_or(short)? != MAGIC {
            return Err(Counter::FramesBadMagic);
        }
        if r.u8().ok_or(short)? != VERSION {
            return Err(Counter::FramesBadVersion);
        }
        let (header, payload) = Self::fields(&mut r).ok_or(short)?;
        match r.0.len() {
            len if len < payload => return Err(short),
            len if len > payload => return Err(Counter::FramesTrailingGarbage),
            _ => {}
        }
        let (kind, rest) = header;
        let kind = Kind::from_wire(kind).ok_or(Counter::FramesUnknownKind)?;
        Ok((Header { kind, ..rest }, r.0))
    }

    /// The fields after the version: kind on the wire, the rest, and the length of the payload.
    fn fields(r: &mut Reader<'_>) -> Option<((u8, Header), usize)> {
        let kind = r.u8()?;
        let flags = r.u8()?;
        let _reserved = r.u8()?;
        let (cluster_id, node_id, incarnation) = (r.u32()?, r.u32()?, r.u32()?);
        let (count, payload) = (r.u16()?, r.u16()?);
        let (epoch, seq) = (r.u64()?, r.u64()?);
        let header = Header {
            kind: Kind::Data,
            flags,
            cluster_id,
            node_id,
            incarnation,
            count,
            epoch,
            seq,
        };
        Some(((kind, header), usize::from(payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        kind: Kind::Data,
        flags: FLAG_PRIMARY,
        cluster_id: 5,
        node_id: 0x0a00_0001,
        incarnation: 0xcafe_f00d,
        count: 2,
        epoch: 3,
        seq: 0x1_0000_0002,
    };

    const BYTES: [u8; HEADER_LEN] = [
        0x43, 0x54, 0x53, 0x59, // magic
        1, 1, 1, 0, // version, DATA, flags, reserved
        0, 0, 0, 5, // cluster
        10, 0, 0, 1, // node
        0xca, 0xfe, 0xf0, 0x0d, // incarnation
        0, 2, 0, 3, // records, bytes of payload
        0, 0, 0, 0, 0, 0, 0, 3, // epoch
        0, 0, 0, 1, 0, 0, 0, 2, // sequence number
    ];

    /// A frame with three bytes of payload.
    fn frame() -> Vec<u8> {
        [BYTES.as_slice(), &[7, 8, 9]].concat()
    }

    #[test]
    fn literal_bytes() {
        let mut written = [0; HEADER_LEN];
        HEADER.encode(3, &mut written);
        assert_eq!(written, BYTES);
        assert_eq!(Header::decode(&frame()), Ok((HEADER, [7, 8, 9].as_slice())));
    }

    #[test]
    fn refusals_are_named() {
        let with = |at: usize, value: u8| {
            let mut frame = frame();
            frame[at] = value;
            Header::decode(&frame).map(|_| ())
        };
        assert_eq!(with(0, 0), Err(Counter::FramesBadMagic));
        assert_eq!(with(4, 2), Err(Counter::FramesBadVersion));
        assert_eq!(with(5, 0), Err(Counter::FramesUnknownKind));
        assert_eq!(with(5, 5), Err(Counter::FramesUnknownKind));
        assert_eq!(with(23, 4), Err(Counter::FramesShort));
        assert_eq!(with(23, 2), Err(Counter::FramesTrailingGarbage));
        assert_eq!(with(7, 255), Ok(()), "reserved");
    }

    #[test]
    fn every_cut_is_short() {
        let frame = frame();
        for len in 0..frame.len() {
            let refused = Header::decode(&frame[..len]).map(|_| ());
            assert_eq!(refused, Err(Counter::FramesShort), "{len}");
        }
    }
}
