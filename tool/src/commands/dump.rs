// SPDX-License-Identifier: GPL-2.0

//! `ctsync dump`: the conntrack table, one line of JSON an entry, sorted; what `diff` compares.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{json, Value};

use super::Context;
use crate::ctnetlink::table;
use crate::error::{Error, Outcome, HEALTHY};
use crate::system::System;

/// Runs the command.
pub fn run(context: &Context) -> Outcome {
    let text = lines(&context.system)?.join("\n");
    let mut output = io::stdout().lock();
    let end = if text.is_empty() { "" } else { "\n" };
    // A reader that goes away early is its own affair.
    let _ = output
        .write_all(text.as_bytes())
        .and_then(|()| output.write_all(end.as_bytes()));
    Ok(HEALTHY)
}

/// The lines. Flows that end on this node are marked: they are its own, and not replicated.
pub fn lines(system: &System) -> Result<Vec<String>, Error> {
    let own = addresses(system);
    let mut lines: Vec<_> = table()?
        .into_iter()
        .map(|mut flow| {
            if flow.is_local(&own) {
                flow.fields.insert("local".to_owned(), json!(true));
            }
            Value::Object(flow.fields).to_string()
        })
        .collect();
    lines.sort_unstable();
    Ok(lines)
}

/// The addresses of this node.
fn addresses(system: &System) -> HashSet<IpAddr> {
    let v4 = system.text("/proc/net/fib_trie").unwrap_or_default();
    let v6 = system.text("/proc/net/if_inet6").unwrap_or_default();
    local_v4(&v4).chain(local_v6(&v6)).collect()
}

/// The local addresses in `/proc/net/fib_trie`: a line with the address, and one that says LOCAL.
fn local_v4(trie: &str) -> impl Iterator<Item = IpAddr> + '_ {
    let pairs = trie.lines().zip(trie.lines().skip(1));
    let local = pairs.filter(|(_, kind)| kind.trim().starts_with("/32 host LOCAL"));
    local.filter_map(|(line, _)| {
        Some(
            line.trim()
                .strip_prefix("|-- ")?
                .parse::<Ipv4Addr>()
                .ok()?
                .into(),
        )
    })
}

/// The addresses in `/proc/net/if_inet6`.
fn local_v6(list: &str) -> impl Iterator<Item = IpAddr> + '_ {
    let words = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    words.filter_map(|digits| Some(Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_found() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.9.0.0\n        /24 link \
            UNICAST\n     |-- 10.9.0.1\n        \
                    /32 host LOCAL\n     |-- 10.9.0.255\n        /32 link BROADCAST\n";
        assert_eq!(
            local_v4(trie).collect::<Vec<_>>(),
            ["10.9.0.1".parse::<IpAddr>().unwrap()]
        );
        let list = "fe80000000000000025056fffec00008 02 40 20 80     eth0\nnonsense\n";
        assert_eq!(
            local_v6(list).collect::<Vec<_>>(),
            ["fe80::250:56ff:fec0:8".parse::<IpAddr>().unwrap()]
        );
    }
}
