// SPDX-License-Identifier: GPL-2.0

//! Frames as JSON, for `sniff` and `trace`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ct_sync_module::stats::Counter;
use ct_sync_module::wire::{
    Endpoints, Entry, Expectation, Header, Heartbeat, Key, Kind, Nack, Record, Records,
    ResyncRequest, Role, FLAG_FOLLOWS, FLAG_SYNCED,
};
use serde_json::{json, Map, Value};

/// The family of an IPv4 key.
const FAMILY_V4: u8 = 4;

/// Decodes a datagram.
///
/// # Errors
///
/// The counter that the module would count it under.
pub fn decode(datagram: &[u8]) -> Result<Value, Counter> {
    let (header, payload) = Header::decode(datagram)?;
    let mut frame = head(&header);
    let malformed = Counter::RecordsMalformed;
    match header.kind {
        Kind::Data => {
            let records = Records::new(payload, header.count)?;
            frame.insert("records".to_owned(), records.map(record).collect());
        }
        Kind::Heartbeat => {
            let (heartbeat, heard) = Heartbeat::decode(payload).ok_or(malformed)?;
            frame.insert("applied".to_owned(), json!(heartbeat.applied));
            frame.insert("table_count".to_owned(), json!(heartbeat.table_count));
            frame.insert("table_max".to_owned(), json!(heartbeat.table_max));
            let heard = heard.map(|peer| json!({"node_id": peer.node_id, "age_ms": peer.age_ms}));
            frame.insert("hears".to_owned(), heard.collect());
        }
        Kind::Nack => {
            let (nack, missing) = Nack::decode(payload).ok_or(malformed)?;
            frame.insert("taken".to_owned(), json!(nack.taken));
            let missing = missing.map(|range| json!([range.first, range.last]));
            frame.insert("missing".to_owned(), missing.collect());
        }
        Kind::ResyncRequest => {
            let request = ResyncRequest::decode(payload).ok_or(malformed)?;
            frame.insert("from".to_owned(), json!(request.from));
        }
    }
    Ok(Value::Object(frame))
}

/// What every frame has.
fn head(header: &Header) -> Map<String, Value> {
    let kind = match header.kind {
        Kind::Data => "data",
        Kind::Heartbeat => "heartbeat",
        Kind::Nack => "nack",
        Kind::ResyncRequest => "resync_request",
    };
    let role = match header.role() {
        Role::Primary => "primary",
        Role::Backup => "backup",
    };
    let pairs = [
        ("kind", json!(kind)),
        ("role", json!(role)),
        ("synced", json!(header.flags & FLAG_SYNCED != 0)),
        ("follows", json!(header.flags & FLAG_FOLLOWS != 0)),
        ("cluster_id", json!(header.cluster_id)),
        ("node_id", json!(header.node_id)),
        ("incarnation", json!(header.incarnation)),
        ("epoch", json!(header.epoch)),
        ("seq", json!(header.seq)),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A record.
fn record(body: &[u8]) -> Value {
    let mut unknown = 0;
    let Some(record) = Record::decode(body, &mut unknown) else {
        return json!({"record": "malformed", "bytes": body.len()});
    };
    let mut value = match record {
        Record::Upsert(found) => entry("upsert", &found),
        Record::Walked(found) => entry("walked", &found),
        Record::Update(found) => entry("update", &found),
        Record::Delete(found) => json!({"record": "delete", "flow": flow(&found)}),
        Record::ResyncBegin { generation, scrub } => {
            json!({"record": "resync_begin", "generation": generation, "scrub": scrub})
        }
        Record::ResyncEnd(end) => {
            json!({"record": "resync_end", "generation": end.generation, "count": end.count, "begin": end.begin})
        }
        Record::Repaired(range) => {
            json!({"record": "repaired", "first": range.first, "last": range.last})
        }
        Record::Gone(range) => json!({"record": "gone", "first": range.first, "last": range.last}),
        Record::Expectation(master, expected) => expectation(&master, &expected),
        Record::Unknown => json!({"record": "unknown", "bytes": body.len()}),
    };
    if unknown != 0 {
        value["unknown_attributes"] = json!(unknown);
    }
    value
}

/// An address of a family.
fn address(bytes: &[u8; 16], family: u8) -> IpAddr {
    match family {
        FAMILY_V4 => {
            let [a, b, c, d, ..] = *bytes;
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => Ipv6Addr::from(*bytes).into(),
    }
}

/// One direction of a connection.
fn endpoints(ends: &Endpoints, family: u8) -> String {
    let end = |bytes, port| match address(bytes, family) {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    };
    format!(
        "{}>{}",
        end(&ends.src, ends.src_port),
        end(&ends.dst, ends.dst_port)
    )
}

/// The name of a protocol.
fn protocol(number: u8) -> String {
    let known = [
        (1, "icmp"),
        (6, "tcp"),
        (17, "udp"),
        (47, "gre"),
        (58, "icmpv6"),
        (132, "sctp"),
        (136, "udplite"),
    ];
    let found = known.iter().find(|(known, _)| *known == number);
    found.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The name of a connection: protocol, original direction, and its zone if it is not the default.
fn flow(key: &Key) -> String {
    let zone = if key.zone == 0 {
        String::new()
    } else {
        format!(",zone={}", key.zone)
    };
    format!(
        "{}:{}{zone}",
        protocol(key.protocol),
        endpoints(&key.original, key.family)
    )
}

/// Text up to its zero byte.
fn name(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A connection that is there.
fn entry(kind: &str, entry: &Entry) -> Value {
    let mut value = json!({
        "record": kind,
        "flow": flow(&entry.key),
        "status": format!("{:#x}", entry.status),
    });
    if entry.reply != Endpoints::default() {
        value["reply"] = json!(endpoints(&entry.reply, entry.key.family));
    }
    if entry.mark != 0 {
        value["mark"] = json!(entry.mark);
    }
    if entry.has & (Entry::HAS_TCP | Entry::HAS_SCTP) != 0 {
        value["state"] = json!(entry.state);
    }
    for (label, text) in [
        ("helper", name(&entry.relations.helper)),
        ("master_helper", name(&entry.relations.master_helper)),
    ] {
        if !text.is_empty() {
            value[label] = json!(text);
        }
    }
    if entry.relations.master != Endpoints::default() {
        value["master"] = json!(endpoints(&entry.relations.master, entry.key.family));
    }
    value
}

/// An expected connection.
fn expectation(master: &Key, expected: &Expectation) -> Value {
    json!({
        "record": "expectation",
        "flow": flow(master),
        "expects": format!("{}:{}", protocol(expected.protocol), endpoints(&expected.tuple, master.family)),
        "helper": name(&expected.helper),
        "index": expected.index,
        "count": expected.count,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A primary's heartbeat, as in Documentation/protocol.rst.
    #[rustfmt::skip]
    pub const HEARTBEAT: [u8; 72] = [
        0x43, 0x54, 0x53, 0x59, 1, 2, 3, 0, // magic, version, HEARTBEAT, primary and synced
        0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 9, // cluster, node, incarnation
        0, 0, 0, 32, // records, bytes of payload
        0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, // epoch, number
        0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 9, // stream
        0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 100, 0, 0, 4, 0, // applied, count, limit
    ];

    #[test]
    fn a_heartbeat_is_decoded() {
        let frame = decode(&HEARTBEAT).unwrap();
        assert_eq!(
            frame,
            json!({
                "kind": "heartbeat", "role": "primary", "synced": true, "follows": false, "cluster_id": 5, "node_id": 7,
                "incarnation": 9, "epoch": 3, "seq": 4, "applied": 4, "table_count": 100, "table_max": 1024, "hears": [],
            })
        );
    }

    #[test]
    fn what_the_module_refuses_is_refused_by_the_same_name() {
        for length in 0..HEARTBEAT.len() {
            assert_eq!(
                decode(&HEARTBEAT[..length]),
                Err(Counter::FramesShort),
                "{length}"
            );
        }
        let longer = [HEARTBEAT.as_slice(), &[0]].concat();
        assert_eq!(decode(&longer), Err(Counter::FramesTrailingGarbage));
    }

    #[test]
    fn a_malformed_record_does_not_hide_the_frame() {
        let mut frame = HEARTBEAT;
        frame[5] = 1; // DATA
        frame[21] = 1; // one record
        frame[40] = 31; // of this length
        let decoded = decode(&frame).unwrap();
        assert_eq!(decoded["records"].as_array().unwrap().len(), 1, "{decoded}");
    }

    #[test]
    fn flows_are_written_as_people_do() {
        let mut key = Key {
            family: 6,
            protocol: 6,
            zone: 7,
            ..Key::default()
        };
        key.original.src_port = 80;
        assert_eq!(flow(&key), "tcp:[::]:80>[::]:0,zone=7");
        key = Key {
            family: 4,
            protocol: 99,
            ..Key::default()
        };
        assert_eq!(flow(&key), "99:0.0.0.0:0>0.0.0.0:0");
    }
}
