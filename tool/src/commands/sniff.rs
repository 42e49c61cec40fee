// SPDX-License-Identifier: GPL-2.0

//! `ctsync sniff`: frames from the wire or from a file of tcpdump, decoded by the module's own
//! code.

use std::fs;
use std::io::{self, Read, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ct_sync_module::wire::VERSION;
use rustix::net::{recv, socket, AddressFamily, Protocol, RecvFlags, SocketType};
use serde_json::{json, Value};

use super::Context;
use crate::capture::{Datagram, File};
use crate::decode::decode;
use crate::error::{Error, Outcome, HEALTHY};

/// The port where none is set.
const PORT: u16 = 3781;
/// `ETH_P_ALL`.
const EVERYTHING: u16 = 3;
/// Longest packet, in bytes.
const PACKET_MAX: usize = 1 << 16;

/// What to show.
pub struct Options<'a> {
    /// The file to read, `-` the standard input, or nothing for the wire.
    pub file: Option<&'a Path>,
    /// The port of the frames.
    pub port: Option<u16>,
    /// End after so many frames.
    pub count: Option<u64>,
    /// Show only records about connections whose text has this in it.
    pub flow: Option<&'a str>,
}

/// Leaves only those records of a frame that are about `flow`; returns whether there is one.
fn narrow(frame: &mut Value, flow: &str) -> bool {
    let Some(records) = frame.get_mut("records").and_then(Value::as_array_mut) else {
        return false;
    };
    let is_about = |record: &Value| {
        let names = ["flow", "reply", "master", "expects"];
        let mut texts = names.iter().filter_map(|name| record[*name].as_str());
        texts.any(|text| text.contains(flow))
    };
    records.retain(is_about);
    !records.is_empty()
}

/// What is shown of a frame, one line for it and one for each record; nothing if it is something
/// else.
fn lines(time: f64, packet: &[u8], port: u16, flow: Option<&str>, json: bool) -> Option<String> {
    let datagram = Datagram::of(packet).filter(|datagram| datagram.port == port)?;
    let source = datagram.source.to_string();
    let mut frame = match decode(datagram.payload) {
        Ok(frame) => frame,
        Err(counter) => {
            json!({"refused": counter.name(), "why": counter.meaning(), "bytes": datagram.payload.len()})
        }
    };
    if flow.is_some_and(|flow| !narrow(&mut frame, flow)) {
        return None;
    }
    if json {
        frame["time"] = json!(time);
        frame["source"] = json!(source);
        frame["ttl"] = json!(datagram.ttl);
        return Some(format!("{frame}\n"));
    }
    let mut text = format!("{time:.6} {source}");
    if datagram.ttl != 255 {
        text += &format!(" TTL {} (refused: below 255)", datagram.ttl);
    }
    text += &pairs(&frame);
    text.push('\n');
    for record in frame
        .get("records")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        text += &format!("   {}\n", pairs(record));
    }
    Some(text)
}

/// An object as ` name=value …`, without its records.
fn pairs(value: &Value) -> String {
    let fields = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "records");
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!(" {name}={text}"),
        value => format!(" {name}={value}"),
    };
    fields.map(pair).collect()
}

/// Runs the command.
pub fn run(context: &Context, options: &Options<'_>) -> Outcome {
    let knob = context
        .system
        .knob_number("port")
        .and_then(|port| u16::try_from(port).ok());
    let port = options.port.or(knob).unwrap_or(PORT);
    let mut shown = 0;
    let mut output = io::stdout().lock();
    let mut show = |time, packet: &[u8]| {
        let Some(text) = lines(time, packet, port, options.flow, context.json) else {
            return true;
        };
        shown += 1;
        let written = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
        written.is_ok() && options.count.is_none_or(|count| shown < count)
    };
    match options.file {
        Some(path) => from_file(path, &mut show),
        None => from_wire(&mut show),
    }
}

/// Shows the packets of a file.
fn from_file(path: &Path, show: &mut dyn FnMut(f64, &[u8]) -> bool) -> Outcome {
    let named = |error: String| Error::new(format!("{}: {error}", path.display()));
    let bytes = match path.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        _ => fs::read(path),
    };
    let bytes = bytes.map_err(|error| named(error.to_string()))?;
    for packet in File::new(&bytes).map_err(|error| named(error.message))? {
        let (time, packet) = packet.map_err(|error| named(error.message))?;
        if !show(time, packet) {
            break;
        }
    }
    Ok(HEALTHY)
}

/// Shows what passes through all interfaces, in and out.
fn from_wire(show: &mut dyn FnMut(f64, &[u8]) -> bool) -> Outcome {
    let failed = |error| {
        Error::new(match error {
            rustix::io::Errno::PERM => {
                "only root can listen to the wire: run this with sudo".to_owned()
            }
            _ => format!("the wire cannot be listened to: {error}"),
        })
    };
    let protocol = NonZeroU32::new(u32::from(EVERYTHING.to_be())).map(Protocol::from_raw);
    // Without the headers of the link.
    let socket = socket(AddressFamily::PACKET, SocketType::DGRAM, protocol).map_err(failed)?;
    eprintln!("listening on all interfaces for frames of protocol version {VERSION}; Ctrl-C ends");
    let mut buffer = vec![0; PACKET_MAX];
    loop {
        let length = match recv(&socket, &mut buffer, RecvFlags::empty()) {
            // An interface went down.
            Err(rustix::io::Errno::NETDOWN | rustix::io::Errno::INTR) => continue,
            length => length.map_err(failed)?,
        };
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        if !show(time, buffer.get(..length).unwrap_or_default()) {
            return Ok(HEALTHY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::tests::packet;
    use crate::decode::tests::HEARTBEAT;

    #[test]
    fn frames_become_lines() {
        let text = lines(1.0, &packet(&HEARTBEAT), 3781, None, false).unwrap();
        assert!(text.starts_with("1.000000 10.9.0.1 "), "{text}");
        assert!(
            text.contains(" kind=heartbeat ") && text.contains(" role=primary "),
            "{text}"
        );
        assert_eq!(lines(1.0, &packet(&HEARTBEAT), 3782, None, false), None);
    }

    #[test]
    fn refused_frames_are_named_by_their_counter() {
        let text = lines(1.0, &packet(b"nonsense"), 3781, None, false).unwrap();
        assert!(text.contains("refused=frames_bad_magic"), "{text}");
        let json = lines(1.0, &packet(b"CTSY\x09"), 3781, None, true).unwrap();
        assert!(
            json.contains("\"refused\":\"frames_bad_version\""),
            "{json}"
        );
    }
    #[test]
    fn only_the_wanted_connection_is_shown() {
        let records =
            json!([{"record": "delete", "flow": "udp:10.0.0.1:5>10.0.0.2:53"}, {"record": "gone"}]);
        let mut frame = json!({ "records": records });
        assert!(narrow(&mut frame, "10.0.0.2:53"));
        assert_eq!(frame["records"].as_array().map(Vec::len), Some(1));
        assert!(!narrow(&mut frame, "10.0.0.3") && !narrow(&mut json!({"kind": "heartbeat"}), ""));
    }
}
