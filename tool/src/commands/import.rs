// SPDX-License-Identifier: GPL-2.0

//! `ctsync import`: what a `conntrackd.conf` becomes. It writes to the standard output only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{json, Value};

use super::{print_json, Context};
use crate::conntrackd::{parse, Directive};
use crate::error::{Error, Outcome, DEGRADED, HEALTHY};
use crate::fate::{fate, Fate};

/// The bit of the mark that selects what is replicated, where the file has filters.
const MARK_BIT: u32 = 30;

/// What a whole file becomes.
#[derive(Default)]
struct Import {
    knobs: BTreeMap<&'static str, String>,
    peers: Vec<String>,
    protocols: Vec<String>,
    rules: Vec<String>,
    /// Line, directive, and what became of it.
    notes: Vec<(usize, String, String)>,
    lost: usize,
}

impl Import {
    /// Adds a directive.
    fn add(&mut self, directive: &Directive) {
        let fate = fate(directive);
        let section = directive.section();
        if section.starts_with("protocol") && section.contains("accept") {
            self.protocols.push(directive.name().to_lowercase());
        }
        let text = match fate {
            Fate::Knob(knob) => match self.knobs.get(knob) {
                Some(earlier) if earlier != directive.value() => {
                    self.lost += 1;
                    format!("LOST: {knob} is {earlier} already, and takes one value")
                }
                _ => {
                    self.knobs.insert(knob, directive.value().to_owned());
                    format!("{knob} = {}", directive.value())
                }
            },
            Fate::Peer => {
                self.peers.push(directive.value().to_owned());
                format!("peers has {}", directive.value())
            }
            Fate::Rule(rule) => {
                self.rules.extend(rule.lines().map(str::to_owned));
                "a rule of nftables".to_owned()
            }
            Fate::NotNeeded(why) => format!("not needed: {why}"),
            Fate::Lost(why) => {
                self.lost += 1;
                format!("LOST: {why}")
            }
        };
        self.notes
            .push((directive.line, directive.words.join(" "), text));
    }

    /// The settings, `syncdev` last.
    fn sysctl(&self) -> Vec<String> {
        let line = |name: &str, value: &str| format!("net.netfilter.ct_sync.{name} = {value}");
        let (last, first): (Vec<_>, Vec<_>) =
            self.knobs.iter().partition(|(name, _)| **name == "syncdev");
        let mut lines: Vec<_> = first
            .into_iter()
            .map(|(name, value)| line(name, value))
            .collect();
        if !self.peers.is_empty() {
            lines.push(line("peers", &self.peers.join(" ")));
        }
        if !self.all_rules().is_empty() {
            lines.push(line("cmarkbit", &MARK_BIT.to_string()));
        }
        lines.extend(last.into_iter().map(|(name, value)| line(name, value)));
        lines
    }

    /// The rules that keep flows out of replication.
    fn all_rules(&self) -> Vec<String> {
        let mut rules = self.rules.clone();
        if !self.protocols.is_empty() {
            rules.insert(
                0,
                format!("meta l4proto != {{ {} }} accept", self.protocols.join(", ")),
            );
        }
        rules
    }

    /// The whole text.
    fn text(&self) -> String {
        let mut text = "# /etc/sysctl.d/60-ct_sync.conf\n".to_owned();
        text += &(self.sysctl().join("\n") + "\n");
        let rules = self.all_rules();
        if !rules.is_empty() {
            let bit = format!("{:#x}", 1u32 << MARK_BIT);
            text += "\n# nftables: what gets the bit is replicated\ntable inet ct_sync {\n\tchain \
                select {\n\t\ttype filter hook forward priority mangle; policy accept;\n";
            text += &format!("\t\tct mark & {bit} != 0 accept\n");
            text += &rules
                .iter()
                .map(|rule| format!("\t\t{rule}\n"))
                .collect::<Vec<_>>()
                .concat();
            text += &format!("\t\tct mark set ct mark | {bit}\n\t}}\n}}\n");
        }
        text += "\n# keepalived: instead of primary-backup.sh\n#   notify_master \
            \"/usr/bin/ctsync role primary\"\n\
                 #   notify_backup, notify_fault, notify_stop \"/usr/bin/ctsync role backup\"\n\n# each directive\n";
        for (line, words, fate) in &self.notes {
            text += &format!("# {line:4}  {words}: {fate}\n");
        }
        text
    }
}

/// Runs the command.
pub fn run(context: &Context, path: &Path) -> Outcome {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
    let directives =
        parse(&text).map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
    if !directives
        .iter()
        .any(|directive| directive.name().eq_ignore_ascii_case("sync"))
    {
        return Err(Error::new(format!(
            "{} has no section Sync: it is no conntrackd.conf that replicates",
            path.display()
        )));
    }
    let mut import = Import::default();
    directives
        .iter()
        .for_each(|directive| import.add(directive));
    match context.json {
        true => print_json(&to_json(&import)),
        false => print!("{}", import.text()),
    }
    Ok(if import.lost == 0 { HEALTHY } else { DEGRADED })
}

/// All of it for programs.
fn to_json(import: &Import) -> Value {
    let notes = import
        .notes
        .iter()
        .map(|(line, words, fate)| json!({"line": line, "directive": words, "becomes": fate}));
    json!({"sysctl": import.sysctl(), "rules": import.all_rules(), "lost": import.lost, "directives": notes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    const FTFW: &str = "Sync {
        Mode FTFW {
            ResendQueueSize 131072
            DisableExternalCache Off
        }
        Multicast {
            IPv4_address 225.0.0.50
            Group 3780
            IPv4_interface 192.168.100.100
            Interface eth2
            SndSocketBuffer 1249280
            Checksum on
        }
        Options {
            TCPWindowTracking Off
            ExpectationSync On
        }
    }
    General {
        Systemd on
        HashSize 32768
        LogFile on
        UNIX {
            Path /var/run/conntrackd.ctl
        }
        Filter From Userspace {
            Protocol Accept {
                TCP
                SCTP
            }
            Address Ignore {
                IPv4_address 127.0.0.1
                IPv4_address 192.168.0.1
            }
        }
    }
    ";

    fn imported(text: &str) -> Import {
        let mut import = Import::default();
        parse(text)
            .unwrap()
            .iter()
            .for_each(|directive| import.add(directive));
        import
    }

    #[test]
    fn the_usual_file_loses_nothing() {
        let import = imported(FTFW);
        assert_eq!(import.lost, 0, "{}", import.text());
        assert_eq!(
            import.sysctl(),
            [
                "net.netfilter.ct_sync.group = 225.0.0.50",
                "net.netfilter.ct_sync.port = 3780",
                "net.netfilter.ct_sync.cmarkbit = 30",
                "net.netfilter.ct_sync.syncdev = eth2",
            ]
        );
        assert_eq!(
            import.all_rules(),
            [
                "meta l4proto != { tcp, sctp } accept",
                "ip saddr 192.168.0.1 accept",
                "ip daddr 192.168.0.1 accept"
            ]
        );
    }

    #[test]
    fn unicast_becomes_peers() {
        let import = imported(
            "Sync {\n UDP {\n IPv4_address 10.0.0.1\n IPv4_Destination_Address \
            10.0.0.2\n Port 3780\n Interface eth1\n }\n}\n",
        );
        assert!(import
            .sysctl()
            .contains(&"net.netfilter.ct_sync.peers = 10.0.0.2".to_owned()));
        assert_eq!(import.lost, 0);
    }

    #[test]
    fn what_is_lost_is_said() {
        for text in [
            "Sync {\n Shoesize 43\n}\n",
            "Sync {\n}\nStats {\n LogFile on\n}\n",
            "Sync {\n Multicast {\n Interface eth1\n }\n Multicast Default {\n Interface eth2\n \
                }\n}\n",
            "General {\n Filter {\n State Accept {\n SYN_SENT for TCP\n }\n }\n}\n",
        ] {
            assert!(imported(text).lost > 0, "{text}");
        }
    }
}
