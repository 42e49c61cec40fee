// SPDX-License-Identifier: GPL-2.0

//! What becomes of each directive of conntrackd.conf(5).

use crate::conntrackd::Directive;

/// What becomes of a directive.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// A knob gets its value.
    Knob(&'static str),
    /// An address is added to the peers.
    Peer,
    /// A rule of nftables does it.
    Rule(String),
    /// Nothing has to do it, because.
    NotNeeded(&'static str),
    /// Nothing does it.
    Lost(&'static str),
}

/// Directives of one meaning wherever they are: name, why nothing has to do what they say.
const NOT_NEEDED: &[(&[&str], &str)] = &[
    (
        &[
            "sync",
            "general",
            "udp",
            "multicast",
            "options",
            "filter",
            "unix",
            "scheduler",
        ],
        "the section itself says nothing",
    ),
    (
        &["resendqueuesize"],
        "the knob backlog counts frames, and its default fits",
    ),
    (
        &["committimeout", "purgetimeout"],
        "entries are in the kernel, so nothing is committed or \
        flushed, and timeouts are the protocol's",
    ),
    (&["ackwindowsize"], "there are no acknowledgements"),
    (
        &[
            "startupresync",
            "disableexternalcache",
            "disableinternalcache",
        ],
        "it is always so",
    ),
    (&["cachetimeout"], "entries that are stale are swept"),
    (
        &["sndsocketbuffer", "rcvsocketbuffer", "checksum"],
        "the module sets its buffers, and UDP's \
        checksum is always on",
    ),
    (
        &["ipv4_interface", "ipv6_interface"],
        "the address is that of syncdev",
    ),
    (
        &["tcpwindowtracking"],
        "windows are checked again after tcp_grace, always",
    ),
    (
        &["expectationsync"],
        "expectations of all helpers of the kernel are replicated; names need \
        not be listed",
    ),
    (
        &["hashsize", "hashlimit"],
        "there is no cache: set net.netfilter.nf_conntrack_buckets and \
        nf_conntrack_max, equal on all nodes",
    ),
    (
        &[
            "netlinkbuffersize",
            "netlinkbuffersizemaxgrowth",
            "netlinkoverrunresync",
            "netlinkeventsreliable",
            "eventiterationlimit",
            "pollsecs",
        ],
        "no netlink is used, and an overload loses nothing",
    ),
    (&["type", "priority", "nice"], "no daemon is scheduled"),
    (
        &["systemd", "lockfile", "path", "backlog"],
        "there is no daemon",
    ),
    (
        &["logfile", "syslog"],
        "the kernel logs; ctsync events writes a line for each change",
    ),
];

/// Decides over a directive.
pub fn fate(directive: &Directive) -> Fate {
    let name = directive.name().to_lowercase();
    let section = directive.section();
    let inner = section.split(' ').next().unwrap_or_default();
    let top = directive
        .path
        .first()
        .map(|section| section.to_lowercase())
        .unwrap_or_default();
    match (inner, name.as_str()) {
        _ if top == "stats" || name == "stats" => Fate::Lost(
            "statistics are not ours: use \
            ulogd2, or leave conntrackd running for them",
        ),
        _ if top == "helper" || name == "helper" => Fate::Lost(
            "helpers in user space are not \
            ours: leave conntrackd running for them",
        ),
        (_, "multicast" | "udp" | "tcp")
            if directive.opens && directive.value().eq_ignore_ascii_case("default") =>
        {
            Fate::Lost(
                "one link is used: make several links one with a bond in mode \
                active-backup, and name it in syncdev",
            )
        }
        (_, "tcp") if directive.opens => Fate::NotNeeded("peers over UDP make good what is lost"),
        (_, "errorqueuelength") => Fate::NotNeeded("peers over UDP make good what is lost"),
        (_, "mode") => Fate::NotNeeded(
            "repair of lost frames is always on and costs nothing \
            while none are lost",
        ),
        ("mode", "refreshtime") => Fate::Knob("scrub_interval"),
        ("multicast", "ipv4_address" | "ipv6_address") => Fate::Knob("group"),
        ("multicast", "group") | ("udp" | "tcp", "port") => Fate::Knob("port"),
        ("multicast" | "udp" | "tcp", "interface") => Fate::Knob("syncdev"),
        ("udp" | "tcp", "ipv4_destination_address" | "ipv6_destination_address") => Fate::Peer,
        ("udp" | "tcp", "ipv4_address" | "ipv6_address") => Fate::NotNeeded(
            "the own address is \
            that of syncdev",
        ),
        (_, "protocol" | "address" | "state") if directive.opens => Fate::NotNeeded(
            "see what it \
            lists",
        ),
        ("protocol" | "address" | "state", _) => filter(&section, directive),
        _ => NOT_NEEDED
            .iter()
            .find(|(names, _)| names.contains(&name.as_str()))
            .map_or(Fate::Lost("this directive is not known"), |(_, why)| {
                Fate::NotNeeded(why)
            }),
    }
}

/// Decides over a line of `Protocol`, `Address` or `State` in a filter.
fn filter(section: &str, directive: &Directive) -> Fate {
    let accepts = section.contains("accept");
    let not = if accepts { "!= " } else { "" };
    match section.split(' ').next() {
        // Protocols that are accepted are put together by `rules`.
        Some("protocol") if accepts => Fate::NotNeeded("it is in the rule below"),
        Some("protocol") => Fate::Rule(format!(
            "meta l4proto {} accept",
            directive.name().to_lowercase()
        )),
        Some("address") => {
            let address = directive.value();
            let family = if address.contains(':') { "ip6" } else { "ip" };
            if !accepts && (address.starts_with("127.") || address == "::1") {
                return Fate::NotNeeded("flows of the node itself are never replicated");
            }
            match accepts {
                true => Fate::Rule(format!(
                    "{family} saddr {not}{address} {family} daddr {not}{address} accept"
                )),
                false => Fate::Rule(format!(
                    "{family} saddr {address} accept\n{family} daddr {address} accept"
                )),
            }
        }
        _ if accepts
            && directive
                .words
                .iter()
                .any(|word| word.eq_ignore_ascii_case("established")) =>
        {
            Fate::Rule("meta l4proto tcp ct status ! assured accept".to_owned())
        }
        _ => Fate::Lost("nftables does not know single states of TCP"),
    }
}
