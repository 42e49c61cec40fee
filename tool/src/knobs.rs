// SPDX-License-Identifier: GPL-2.0

//! What the knobs take, so that a mistake is told in words before anything is written.

use std::net::IpAddr;

use crate::error::Error;

/// Longest name of an interface.
const INTERFACE_MAX: usize = 15;
/// Most addresses in `peers`.
const PEERS_MAX: usize = 16;

/// What a knob takes.
enum Takes {
    /// A whole number between two bounds.
    Number(i64, i64),
    /// A role, as a number or a word.
    Role,
    /// The name of an interface, or nothing.
    Interface,
    /// A multicast address.
    Group,
    /// Addresses of one family, or nothing.
    Peers,
    /// Nothing that `set` could write; the text says what to use.
    Other(&'static str),
}

/// The knobs of Documentation/knobs.rst. Newer modules may have more; those are not judged here.
const KNOBS: &[(&str, Takes)] = &[
    ("syncdev", Takes::Interface),
    ("state", Takes::Role),
    (
        "synced",
        Takes::Other("it is read only: ctsync wait synced waits for it"),
    ),
    ("l2drop", Takes::Number(0, 2)),
    ("notrack", Takes::Number(0, 1)),
    ("cmarkbit", Takes::Number(-1, 31)),
    ("node_id", Takes::Number(0, 0xffff_ffff)),
    ("cluster_id", Takes::Number(0, 0xffff_ffff)),
    ("group", Takes::Group),
    ("peers", Takes::Peers),
    ("port", Takes::Number(1, 65535)),
    (
        "resync",
        Takes::Other("it is no setting: ctsync resync starts one"),
    ),
    ("resync_rate", Takes::Number(0, 10_000_000)),
    ("scrub_interval", Takes::Number(0, 86_400)),
    ("counters_interval", Takes::Number(0, 86_400)),
    ("backlog", Takes::Number(0, 16_384)),
    ("flush_us", Takes::Number(0, 1_000_000)),
    ("heartbeat_ms", Takes::Number(50, 60_000)),
    ("tcp_grace", Takes::Number(0, 86_400)),
];

/// A setting of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The knob.
    pub name: String,
    /// What to write.
    pub value: String,
}

impl Setting {
    /// Takes `KNOB=VALUE` apart and judges it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Error::new(format!("{text} is no KNOB=VALUE")));
        };
        let name = name.trim().trim_start_matches("net.netfilter.ct_sync.");
        let value = value.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Error::new(format!("{name:?} is no name of a knob")));
        }
        if let Some((_, takes)) = KNOBS.iter().find(|(known, _)| *known == name) {
            takes
                .judge(value)
                .map_err(|why| Error::new(format!("{name}={value} was not set: {why}")))?;
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Takes {
    /// Says what is wrong with a value.
    fn judge(&self, value: &str) -> Result<(), String> {
        match self {
            Takes::Number(min, max) => match number(value) {
                Some(n) if (*min..=*max).contains(&n) => Ok(()),
                _ => Err(format!("it takes a whole number from {min} to {max}")),
            },
            Takes::Role => match value {
                "0" | "1" | "2" | "backup" | "primary" => Ok(()),
                _ => Err("it takes 0 or backup, 1 or primary".to_owned()),
            },
            Takes::Interface => interface(value),
            Takes::Group => match value.parse::<IpAddr>() {
                Ok(address) if address.is_multicast() => Ok(()),
                _ => Err("it takes one multicast address; for unicast set peers".to_owned()),
            },
            Takes::Peers => peers(value),
            Takes::Other(why) => Err((*why).to_owned()),
        }
    }
}

/// A number, decimal or hexadecimal.
fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Judges a name of an interface.
fn interface(name: &str) -> Result<(), String> {
    if name.len() > INTERFACE_MAX {
        return Err(format!(
            "names of interfaces have at most {INTERFACE_MAX} bytes"
        ));
    }
    if name.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err("it takes the name of one interface".to_owned());
    }
    Ok(())
}

/// Judges a list of peers.
fn peers(list: &str) -> Result<(), String> {
    let words: Vec<_> = list
        .split([' ', ',', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let mut addresses = Vec::new();
    for word in &words {
        let address = word.parse::<IpAddr>();
        addresses.push(address.map_err(|_| format!("{word} is no address"))?);
    }
    if addresses.len() > PEERS_MAX {
        return Err(format!("it takes at most {PEERS_MAX} addresses"));
    }
    if addresses.iter().any(|a| a.is_ipv4()) && addresses.iter().any(|a| a.is_ipv6()) {
        return Err("all addresses must be of one family, IPv4 or IPv6".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        for good in [
            "port=1",
            "port=65535",
            "cmarkbit=-1",
            "cmarkbit=31",
            "node_id=0xffffffff",
            "heartbeat_ms=50",
            "state=primary",
            "syncdev=",
            "syncdev=eth2",
            "peers=",
            "peers=10.0.0.1, 10.0.0.2",
            "group=ff02::7",
            "new_knob=anything",
            "net.netfilter.ct_sync.l2drop=2",
        ] {
            assert!(Setting::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "port=0",
            "port=65536",
            "port=",
            "port=http",
            "cmarkbit=-2",
            "node_id=4294967296",
            "heartbeat_ms=49",
            "state=3",
            "l2drop=primary1",
            "syncdev=a23456789012345x",
            "syncdev=eth0 eth1",
            "syncdev=a/b",
            "peers=10.0.0.1 fe80::1",
            "peers=host",
            "group=10.0.0.1",
            "group=",
            "synced=1",
            "resync=1",
            "port",
            "=1",
            "../port=1",
        ] {
            assert!(Setting::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sixteen_peers_are_enough() {
        let list = |n: u8| {
            (1..=n)
                .map(|i| format!("10.0.0.{i}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(peers(&list(16)).is_ok() && peers(&list(17)).is_err());
    }
}
