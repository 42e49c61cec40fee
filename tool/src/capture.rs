// SPDX-License-Identifier: GPL-2.0

//! Captured packets: files of tcpdump, and what is in a packet down to the UDP payload.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::Error;

/// Longest packet of a file, in bytes; what claims to be longer is no packet.
const PACKET_MAX: usize = 1 << 18;
/// Bytes of the head of a file, and of each packet in it.
const FILE_HEAD: usize = 24;
const PACKET_HEAD: usize = 16;

/// How packets of a file begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// With an Ethernet header.
    Ethernet,
    /// With the IP header.
    Raw,
    /// With the header of `tcpdump -i any`.
    Cooked,
    /// With the second version of that.
    Cooked2,
}

impl Link {
    /// The link type of a file.
    fn from_file(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Self::Raw),
            113 => Some(Self::Cooked),
            276 => Some(Self::Cooked2),
            _ => None,
        }
    }

    /// The packet behind the header of the link.
    fn strip(self, packet: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Raw => Some(packet),
            Self::Cooked => packet.get(16..),
            Self::Cooked2 => packet.get(20..),
            Self::Ethernet => {
                let mut rest = packet.get(12..)?;
                // VLAN tags come before the type of what follows.
                while matches!(rest.get(..2)?, [0x81, 0] | [0x88, 0xa8]) {
                    rest = rest.get(4..)?;
                }
                rest.get(2..)
            }
        }
    }
}

/// A file of tcpdump.
#[derive(Debug)]
pub struct File<'a> {
    rest: &'a [u8],
    link: Link,
    big_endian: bool,
    /// Units of the fraction of a second.
    per_second: f64,
}

impl<'a> File<'a> {
    /// Begins to read a file.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let magic = bytes.get(..4).unwrap_or_default();
        let (big_endian, per_second) =
            match magic {
                [0xd4, 0xc3, 0xb2, 0xa1] => (false, 1e6),
                [0xa1, 0xb2, 0xc3, 0xd4] => (true, 1e6),
                [0x4d, 0x3c, 0xb2, 0xa1] => (false, 1e9),
                [0xa1, 0xb2, 0x3c, 0x4d] => (true, 1e9),
                [0x0a, 0x0d, 0x0d, 0x0a] => return Err(Error::new(
                    "this is a pcapng file: editcap -F pcap IN OUT makes one that is understood",
                )),
                _ => return Err(Error::new("this is no file of tcpdump -w")),
            };
        let number = number(bytes, 20, big_endian).unwrap_or(0) & 0xffff;
        let link = Link::from_file(number);
        Ok(Self {
            link: link.ok_or_else(|| {
                Error::new(format!("packets of link type {number} are not understood"))
            })?,
            rest: bytes.get(FILE_HEAD..).unwrap_or_default(),
            big_endian,
            per_second,
        })
    }
}

/// The number of four bytes at `at`.
fn number(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(match big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    })
}

impl<'a> Iterator for File<'a> {
    /// The time in seconds and the packet behind the header of its link; an error ends the file.
    type Item = Result<(f64, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let field = |at| number(self.rest, at, self.big_endian);
            let head = (|| Some((field(0)?, field(4)?, usize::try_from(field(8)?).ok()?)))();
            let packet = head.and_then(|(_, _, length)| {
                let length = Some(length).filter(|&length| length <= PACKET_MAX)?;
                self.rest.get(PACKET_HEAD..PACKET_HEAD + length)
            });
            let (Some((seconds, fraction, length)), Some(packet)) = (head, packet) else {
                self.rest = &[];
                return Some(Err(Error::new("the file ends in the middle of a packet")));
            };
            self.rest = self.rest.get(PACKET_HEAD + length..).unwrap_or_default();
            if let Some(packet) = self.link.strip(packet) {
                let time = f64::from(seconds) + f64::from(fraction) / self.per_second;
                return Some(Ok((time, packet)));
            }
        }
    }
}

/// A UDP datagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Its port.
    pub port: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What is in it, maybe cut short by the capture.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Finds the datagram in an IP packet; fragments have none.
    pub fn of(packet: &'a [u8]) -> Option<Self> {
        let (source, ttl, udp) = match packet.first()? >> 4 {
            4 => {
                let fragment = packet.get(6)? & 0x3f != 0 || *packet.get(7)? != 0;
                let head = usize::from(packet.first()? & 15) * 4;
                let address: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
                let is_udp = *packet.get(9)? == 17 && !fragment && head >= 20;
                let udp = packet.get(head..).filter(|_| is_udp)?;
                (IpAddr::from(Ipv4Addr::from(address)), *packet.get(8)?, udp)
            }
            6 => {
                let address: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
                let udp = packet.get(40..).filter(|_| packet.get(6) == Some(&17))?;
                (IpAddr::from(Ipv6Addr::from(address)), *packet.get(7)?, udp)
            }
            _ => return None,
        };
        let field = |at: usize| Some(u16::from_be_bytes(udp.get(at..at + 2)?.try_into().ok()?));
        // Ethernet pads short packets.
        let end = usize::from(field(4)?).min(udp.len());
        Some(Self {
            source,
            ttl,
            port: field(2)?,
            payload: udp.get(8..end)?,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An IPv4 packet with a UDP datagram.
    pub fn packet(payload: &[u8]) -> Vec<u8> {
        let udp_len = u16::try_from(8 + payload.len()).unwrap();
        let mut bytes = vec![
            0x45, 0, 0, 0, 0, 0, 0, 0, 255, 17, 0, 0, 10, 9, 0, 1, 224, 0, 0, 254,
        ];
        bytes.extend(3781u16.to_be_bytes());
        bytes.extend(3781u16.to_be_bytes());
        bytes.extend(udp_len.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(payload);
        bytes
    }

    /// A file with one Ethernet frame.
    pub fn file(packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 5, 8, 0]);
        frame.extend(packet);
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 12]);
        bytes.extend([1, 0, 0, 0]);
        let length = u32::try_from(frame.len()).unwrap();
        for number in [10, 500_000, length, length] {
            bytes.extend(u32::to_le_bytes(number));
        }
        bytes.extend(frame);
        bytes
    }

    #[test]
    fn a_datagram_is_found() {
        let bytes = file(&packet(b"hello"));
        let packets: Vec<_> = File::new(&bytes).unwrap().map(Result::unwrap).collect();
        let [(time, found)] = packets[..] else {
            panic!("one packet")
        };
        assert!((time - 10.5).abs() < 1e-9);
        let datagram = Datagram::of(found).unwrap();
        assert_eq!(
            (datagram.port, datagram.ttl, datagram.payload),
            (3781, 255, b"hello".as_slice())
        );
        assert_eq!(datagram.source.to_string(), "10.9.0.1");
    }

    #[test]
    fn what_is_cut_short_is_told() {
        let bytes = file(&packet(b"hello"));
        for length in FILE_HEAD + 1..bytes.len() {
            assert!(
                File::new(&bytes[..length])
                    .unwrap()
                    .any(|packet| packet.is_err()),
                "{length}"
            );
        }
        for other in [&b""[..], b"text", &[0x0a, 0x0d, 0x0d, 0x0a]] {
            assert!(File::new(other).is_err());
        }
        let whole = packet(b"hello");
        for length in 0..28 {
            assert_eq!(Datagram::of(&whole[..length]), None, "{length}");
        }
    }
}
