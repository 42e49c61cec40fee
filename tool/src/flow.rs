// SPDX-License-Identifier: GPL-2.0

//! An entry of the conntrack table as ctnetlink tells of it.
//!
//! It has what ct_sync replicates, in a form that is the same on every node: no timeouts, no
//! counters, no ids.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{json, Map, Value};

/// The bits of an attribute's type that are no part of it.
const NESTED: u16 = 0xc000;
/// The status bits that are the same on every node: `Entry::STATUS_MASK`, without the fixed timeout
/// that every copy has so that it does not expire.
const STATUS: [(u32, &str); 4] = [
    (1 << 1, "seen_reply"),
    (1 << 2, "assured"),
    (1 << 4, "src_nat"),
    (1 << 5, "dst_nat"),
];

/// The attributes of a message.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_of(self.0.get(..2)?, u16::from_ne_bytes)?);
        let kind = u16_of(self.0.get(2..4)?, u16::from_ne_bytes)? & !NESTED;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Two bytes as a number.
pub fn u16_of(bytes: &[u8], order: fn([u8; 2]) -> u16) -> Option<u16> {
    Some(order(bytes.try_into().ok()?))
}

/// Four bytes as a number.
pub fn u32_of(bytes: &[u8], order: fn([u8; 4]) -> u32) -> Option<u32> {
    Some(order(bytes.try_into().ok()?))
}

/// The attribute `kind` of those in `bytes`.
fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// Text up to its zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// An entry of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Everything of it, for people and programs.
    pub fields: Map<String, Value>,
    /// Where it comes from and where its replies come from.
    ends: [Option<IpAddr>; 2],
}

impl Flow {
    /// Takes the attributes of an entry apart.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (original, reply) = (find(bytes, 1)?, find(bytes, 2)?);
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        put("orig", Some(tuple(original)?));
        put("reply", Some(tuple(reply)?));
        put(
            "zone",
            find(bytes, 18)
                .and_then(|zone| u16_of(zone, u16::from_be_bytes))
                .map(Value::from),
        );
        put(
            "status",
            find(bytes, 3)
                .and_then(|bits| u32_of(bits, u32::from_be_bytes))
                .map(status),
        );
        put(
            "mark",
            find(bytes, 8)
                .and_then(|mark| u32_of(mark, u32::from_be_bytes))
                .map(Value::from),
        );
        put(
            "helper",
            find(bytes, 5)
                .and_then(|help| find(help, 1))
                .map(|name| json!(text(name))),
        );
        put("master", find(bytes, 14).and_then(tuple));
        put(
            "secctx",
            find(bytes, 19)
                .and_then(|context| find(context, 1))
                .map(|name| json!(text(name))),
        );
        put(
            "labels",
            find(bytes, 22)
                .filter(|bits| bits.iter().any(|&byte| byte != 0))
                .map(hexadecimal),
        );
        put("protoinfo", find(bytes, 4).and_then(protoinfo));
        for (name, kind) in [("seqadj_orig", 15), ("seqadj_reply", 16), ("synproxy", 24)] {
            put(name, find(bytes, kind).and_then(numbers));
        }
        let ends = [address(original, 0), address(reply, 0)];
        Some(Self { fields, ends })
    }

    /// Whether one of its ends is among `addresses`, or is a group: such flows are each node's own.
    pub fn is_local(&self, addresses: &HashSet<IpAddr>) -> bool {
        let own = |end: &IpAddr| {
            end.is_loopback() || end.is_multicast() || is_link_local(end) || addresses.contains(end)
        };
        self.ends.iter().flatten().any(own)
    }
}

/// Whether an address is meant for one link only.
fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// The source (0) or destination (1) of a tuple.
fn address(tuple: &[u8], which: u16) -> Option<IpAddr> {
    let ip = find(tuple, 1)?;
    if let Some(bytes) = find(ip, 1 + which) {
        return Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(find(ip, 3 + which)?).ok()?).into())
}

/// A tuple: addresses, protocol, and what the protocol has for ports.
fn tuple(bytes: &[u8]) -> Option<Value> {
    let mut all = Map::new();
    all.insert("src".to_owned(), json!(address(bytes, 0)?.to_string()));
    all.insert("dst".to_owned(), json!(address(bytes, 1)?.to_string()));
    let proto = find(bytes, 2)?;
    let names = [
        "", "proto", "sport", "dport", "id", "type", "code", "id", "type", "code",
    ];
    for (kind, value) in Attributes(proto) {
        let number = match value {
            [byte] => u32::from(*byte),
            _ => u32::from(u16_of(value, u16::from_be_bytes)?),
        };
        if let Some(name) = names.get(usize::from(kind)) {
            all.insert((*name).to_owned(), json!(number));
        }
    }
    if let Some(zone) = find(bytes, 3).and_then(|zone| u16_of(zone, u16::from_be_bytes)) {
        all.insert("zone".to_owned(), json!(zone));
    }
    Some(Value::Object(all))
}

/// The names of the status bits that are replicated.
fn status(bits: u32) -> Value {
    let set = STATUS.iter().filter(|(bit, _)| bits & bit != 0);
    set.map(|(_, name)| json!(name)).collect()
}

/// What the tracker of TCP or SCTP knows. The flags of TCP differ by nature: copies are liberal.
fn protoinfo(bytes: &[u8]) -> Option<Value> {
    let mut all = Map::new();
    let tcp = [(1, "state"), (2, "scale_orig"), (3, "scale_reply")];
    for (kind, name) in tcp {
        if let Some([value]) = find(bytes, 1).and_then(|tcp| find(tcp, kind)) {
            all.insert(name.to_owned(), json!(value));
        }
    }
    if let Some([state]) = find(bytes, 3).and_then(|sctp| find(sctp, 1)) {
        all.insert("state".to_owned(), json!(state));
    }
    for (kind, name) in [(2, "vtag_orig"), (3, "vtag_reply")] {
        if let Some(tag) = find(bytes, 3).and_then(|sctp| find(sctp, kind)) {
            all.insert(name.to_owned(), json!(u32_of(tag, u32::from_be_bytes)?));
        }
    }
    (!all.is_empty()).then_some(Value::Object(all))
}

/// Nested numbers of four bytes, in the order of their types; `None` if all are 0.
fn numbers(bytes: &[u8]) -> Option<Value> {
    let values: Vec<_> = Attributes(bytes)
        .filter_map(|(_, value)| u32_of(value, u32::from_be_bytes))
        .collect();
    values
        .iter()
        .any(|&value| value != 0)
        .then(|| json!(values))
}

/// Bytes as hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> Value {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!(digits.concat())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An attribute.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A tuple of UDP.
    fn udp(src: [u8; 4], dst: [u8; 4], sport: u16, dport: u16) -> Vec<u8> {
        let ip = [attribute(1, &src), attribute(2, &dst)].concat();
        let proto = [
            attribute(1, &[17]),
            attribute(2, &sport.to_be_bytes()),
            attribute(3, &dport.to_be_bytes()),
        ]
        .concat();
        [attribute(0x8001, &ip), attribute(0x8002, &proto)].concat()
    }

    /// An entry with a mark.
    pub fn entry(sport: u16, mark: u32) -> Vec<u8> {
        let (client, server) = ([10, 1, 0, 10], [192, 0, 2, 10]);
        [
            attribute(0x8001, &udp(client, server, sport, 53)),
            attribute(0x8002, &udp(server, client, 53, sport)),
            attribute(3, &0x18eu32.to_be_bytes()),
            attribute(8, &mark.to_be_bytes()),
        ]
        .concat()
    }

    #[test]
    fn an_entry_is_taken_apart() {
        let flow = Flow::parse(&entry(4000, 7)).unwrap();
        assert_eq!(
            Value::Object(flow.fields.clone()),
            json!({
                "orig": {"src": "10.1.0.10", "dst": "192.0.2.10", "proto": 17, "sport": 4000, "dport": 53},
                "reply": {"src": "192.0.2.10", "dst": "10.1.0.10", "proto": 17, "sport": 53, "dport": 4000},
                "status": ["seen_reply", "assured"],
                "mark": 7,
            })
        );
        let own = |address: &str| flow.is_local(&[address.parse().unwrap()].into());
        assert!(own("10.1.0.10") && own("192.0.2.10") && !own("10.1.0.1"));
    }

    #[test]
    fn nonsense_is_no_entry() {
        for bytes in [&[][..], &[0; 16], &[255; 32], &[4, 0, 1, 128]] {
            assert_eq!(Flow::parse(bytes), None);
        }
    }
}
