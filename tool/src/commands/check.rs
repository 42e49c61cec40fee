// SPDX-License-Identifier: GPL-2.0

//! `ctsync check`: looks for the mistakes that people make, and says what to do.

use serde_json::{json, Value};

use super::{heartbeat_ms, print_json, Context};
use crate::doctor::{keepalived, kernel, link, rules, Finding, Findings, Level};
use crate::error::{Outcome, DEGRADED, DOWN, HEALTHY};
use crate::faults::{faults, remedy};
use crate::verdict::{judge, Health};

/// Looks at everything.
pub fn examine(context: &Context) -> Findings {
    let system = &context.system;
    let mut findings = Findings::default();
    let loaded = kernel::module(system, &mut findings);
    kernel::next_boot(system, &mut findings);
    if loaded {
        link::syncdev(system, &mut findings);
        replication(context, &mut findings);
        rules::firewall(system, &mut findings);
        let connection = std::env::var("SSH_CONNECTION").ok();
        kernel::login(
            system,
            connection.as_deref(),
            link::device_of,
            &mut findings,
        );
    }
    kernel::conntrack(system, &mut findings);
    kernel::conntrackd(system, &mut findings);
    keepalived::keepalived(system, &mut findings);
    findings
}

/// Looks at what the module tells.
fn replication(context: &Context, findings: &mut Findings) {
    let snapshot = match context.system.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return findings.fault("replication", error.message),
    };
    let verdict = judge(&snapshot, heartbeat_ms(&context.system));
    if verdict.health == Health::Healthy {
        findings.good("replication", "a failover now loses nothing");
    }
    for reason in verdict.reasons {
        findings.fault("replication", reason);
    }
    if snapshot.is_running() && snapshot.peers.is_empty() {
        let multicast = context
            .system
            .knob("peers")
            .is_none_or(|peers| peers.is_empty());
        findings.fault("peers", match multicast {
            true => "no node was ever heard: is ct_sync running there, are cluster_id, group and \
                port equal, and does the switch \
                     carry the group (IGMP snooping without a querier stops it)? Where there is no multicast, set peers",
            false => "no node was ever heard: is ct_sync running there, and are cluster_id, peers \
                and port right on both?",
        });
    }
    let limits = snapshot
        .peers
        .iter()
        .filter_map(|peer| Some((peer.name(), peer.number("table_max")?)));
    for (name, max) in limits {
        if snapshot.number("table_max").is_some_and(|own| max > own) {
            findings.warning(
                "conntrack",
                format!("nf_conntrack_max is smaller here than on {name} ({max}): make them equal"),
            );
        }
    }
    for (counter, value) in faults(|counter| snapshot.counter(counter)) {
        let advice = remedy(counter).unwrap_or_default();
        findings.warning(
            "counters",
            format!(
                "{} {value}: {}; {advice}",
                counter.name(),
                counter.meaning()
            ),
        );
    }
}

/// Runs the command.
pub fn run(context: &Context) -> Outcome {
    let findings = examine(context);
    match context.json {
        true => print_json(&to_json(&findings)),
        false => print!("{}", text(&findings, context)),
    }
    Ok(match findings.worst() {
        Level::Good => HEALTHY,
        Level::Warning => DEGRADED,
        Level::Fault => DOWN,
    })
}

/// The findings for programs.
fn to_json(findings: &Findings) -> Value {
    let list = findings.0.iter();
    let list = list.map(|finding| json!({"level": finding.level.word(), "item": finding.item, "text": finding.text}));
    json!({"worst": findings.worst().word(), "findings": list.collect::<Vec<_>>()})
}

/// The findings for people, the worst first.
pub fn text(findings: &Findings, context: &Context) -> String {
    let mut sorted: Vec<_> = findings.0.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let line = |finding: &&Finding| {
        let word = match finding.level {
            Level::Good => finding.level.word().to_owned(),
            Level::Warning => context.style.warning(finding.level.word()),
            Level::Fault => context.style.bad(finding.level.word()),
        };
        format!("{word}: {}: {}\n", finding.item, finding.text)
    };
    sorted.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::set::tests::Folder;
    use crate::procfile::tests::BACKUP;

    fn found(name: &str, status: &str) -> String {
        let folder = Folder::new(name, status, &[("heartbeat_ms", "1000"), ("peers", "")]);
        let context = folder.context();
        let mut findings = Findings::default();
        replication(&context, &mut findings);
        text(&findings, &context)
    }

    #[test]
    fn counters_come_with_advice() {
        let text = found("check1", BACKUP);
        assert!(
            text.starts_with("warning: counters: frames_gap 3: "),
            "{text}"
        );
        assert!(
            text.ends_with("good: replication: a failover now loses nothing\n"),
            "{text}"
        );
    }

    #[test]
    fn a_lonely_node_learns_what_to_look_for() {
        let text = found("check2", "role backup\nrunning 1\nsynced 0\n");
        assert!(text.contains("IGMP snooping"), "{text}");
        assert!(text.contains("fault: replication: not in sync"), "{text}");
    }

    #[test]
    fn a_larger_table_elsewhere_is_told() {
        let text = found(
            "check3",
            &BACKUP.replace("table_max=262144", "table_max=524288"),
        );
        assert!(
            text.contains("nf_conntrack_max is smaller here than on 10.9.0.1"),
            "{text}"
        );
    }
}
