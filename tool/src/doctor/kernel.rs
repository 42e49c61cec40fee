// SPDX-License-Identifier: GPL-2.0

//! The kernel: the module, the next boot, settings of conntrack, and who else is at work.

use std::fs;
use std::path::Path;

use super::{output, Findings};
use crate::system::System;

/// The variable of the firmware that says whether Secure Boot is on.
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Looks at the module; returns whether it is loaded.
pub fn module(system: &System, findings: &mut Findings) -> bool {
    if !system.is_loaded() {
        let mut text = "the module ct_sync is not loaded: modprobe ct_sync".to_owned();
        if fs::read(system.path(SECURE_BOOT)).is_ok_and(|bytes| bytes.last() == Some(&1)) {
            text += "; Secure Boot is on, so its key must be enrolled: mokutil --import KEY";
        }
        findings.fault("module", text);
        return false;
    }
    let loaded = system.text("/sys/module/ct_sync/version");
    let installed =
        output("modinfo", &["-F", "version", "ct_sync"]).map(|text| text.trim().to_owned());
    match (loaded, installed) {
        (Some(loaded), Some(installed)) if loaded != installed && !installed.is_empty() => findings
            .warning(
                "module",
                format!(
                    "version {loaded} is loaded and {installed} is installed: the next boot \
                changes it"
                ),
            ),
        (loaded, _) => findings.good(
            "module",
            format!(
                "loaded{}",
                loaded
                    .map(|v| format!(
                        ", \
            version {v}"
                    ))
                    .unwrap_or_default()
            ),
        ),
    }
    true
}

/// Whether the newest kernel that is installed has the module.
pub fn next_boot(system: &System, findings: &mut Findings) {
    let names = |folder: &str| {
        let entries = fs::read_dir(system.path(folder))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect::<Vec<_>>()
    };
    let kernels = names("/boot")
        .into_iter()
        .filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned()));
    let Some(next) = kernels.max_by(|a, b| version_key(a).cmp(&version_key(b))) else {
        return;
    };
    match has_module(&system.path(&format!("/lib/modules/{next}"))) {
        true => findings.good("next boot", format!("the kernel {next} has the module")),
        false => findings.fault(
            "next boot",
            format!(
                "the kernel {next} has no ct_sync: install it for that kernel before this \
                node is rebooted"
            ),
        ),
    }
}

/// What versions are ordered by: their numbers as numbers, the rest as text.
fn version_key(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(['.', '-', '+', '~']);
    parts
        .map(|part| (part.parse().unwrap_or(0), part.to_owned()))
        .collect()
}

/// Whether the module is somewhere below a folder.
fn has_module(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("ct_sync.ko")
            || is_folder && has_module(&entry.path())
    })
}

/// Looks at the settings of conntrack.
pub fn conntrack(system: &System, findings: &mut Findings) {
    let sysctl = |name: &str| system.text(&format!("/proc/sys/net/netfilter/{name}"));
    if sysctl("nf_conntrack_events").as_deref() == Some("0") {
        findings.fault(
            "conntrack",
            "nf_conntrack_events is 0, so changes are found by walks \
            only: sysctl net.netfilter.nf_conntrack_events=1",
        );
    }
    let number = |name| sysctl(name).and_then(|text| text.parse::<u64>().ok());
    if let (Some(max), Some(buckets)) = (number("nf_conntrack_max"), number("nf_conntrack_buckets"))
    {
        if buckets != 0 && max / buckets >= 8 {
            findings.warning(
                "conntrack",
                format!(
                    "nf_conntrack_max {max} is {} times nf_conntrack_buckets: raise the latter",
                    max / buckets
                ),
            );
        }
    }
    if system.knob_number("counters_interval").unwrap_or(0) > 0
        && sysctl("nf_conntrack_acct").as_deref() == Some("0")
    {
        findings.warning(
            "conntrack",
            "counters_interval is set and nf_conntrack_acct is 0: nothing is counted here",
        );
    }
}

/// Looks for conntrackd.
pub fn conntrackd(system: &System, findings: &mut Findings) {
    let entries = fs::read_dir(system.path("/proc"))
        .into_iter()
        .flatten()
        .flatten();
    let mut commands =
        entries.filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    if commands.any(|command| command.trim() == "conntrackd") {
        findings.warning(
            "conntrackd",
            "conntrackd runs as well: stop it when the migration is complete, unless it only \
                serves helpers or statistics",
        );
    }
}

/// Looks whether l2drop cuts off whoever is logged in.
pub fn login(
    system: &System,
    connection: Option<&str>,
    device_of: impl Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    let Some(address) = connection.and_then(|words| words.split_whitespace().nth(2)) else {
        return;
    };
    let (Some(device), Some(syncdev)) = (device_of(address), system.knob("syncdev")) else {
        return;
    };
    let passes = system.knob("l2pass").unwrap_or_default();
    let is_open =
        device == syncdev || device == "lo" || passes.split([' ', ',']).any(|name| name == device);
    if system.knob_number("l2drop").unwrap_or(0) > 0 && !is_open {
        findings.warning(
            "l2drop",
            format!(
                "you are logged in through {device}, which l2drop closes while this node is \
                backup: name it in l2pass, or log in through {syncdev}"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::set::tests::Folder;

    #[test]
    fn a_kernel_without_the_module_is_named() {
        let folder = Folder::new("boot", "role backup\n", &[]);
        for name in ["boot", "lib/modules/7.9.1/updates", "lib/modules/7.10.2"] {
            fs::create_dir_all(folder.0.join(name)).unwrap();
        }
        for name in [
            "boot/vmlinuz-7.9.1",
            "lib/modules/7.9.1/updates/ct_sync.ko.xz",
        ] {
            fs::write(folder.0.join(name), "").unwrap();
        }
        let system = System::new(&folder.0);
        let mut findings = Findings::default();
        next_boot(&system, &mut findings);
        assert!(findings.complaints().is_empty(), "{findings:?}");
        fs::write(folder.0.join("boot/vmlinuz-7.10.2"), "").unwrap();
        next_boot(&system, &mut findings);
        assert!(
            findings.complaints()[0].starts_with("the kernel 7.10.2 has no ct_sync"),
            "{findings:?}"
        );
    }

    #[test]
    fn settings_of_conntrack_are_judged() {
        let folder = Folder::new("sysctl", "role backup\n", &[("counters_interval", "5")]);
        let netfilter = folder.0.join("proc/sys/net/netfilter");
        for (name, value) in [
            ("nf_conntrack_events", "0"),
            ("nf_conntrack_acct", "0"),
            ("nf_conntrack_max", "800"),
            ("nf_conntrack_buckets", "100"),
        ] {
            fs::write(netfilter.join(name), value).unwrap();
        }
        let mut findings = Findings::default();
        conntrack(&System::new(&folder.0), &mut findings);
        assert_eq!(findings.complaints().len(), 3, "{findings:?}");
    }

    #[test]
    fn whoever_is_logged_in_is_warned() {
        let folder = Folder::new(
            "login",
            "role backup\n",
            &[("l2drop", "2"), ("syncdev", "eth2")],
        );
        let system = System::new(&folder.0);
        let warned = |device: &str| {
            let mut findings = Findings::default();
            login(
                &system,
                Some("10.0.0.9 5000 10.0.0.1 22"),
                |_| Some(device.to_owned()),
                &mut findings,
            );
            !findings.complaints().is_empty()
        };
        assert!(warned("eth0") && !warned("eth2"));
    }
}
