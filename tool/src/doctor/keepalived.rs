// SPDX-License-Identifier: GPL-2.0

//! keepalived's configuration: the mistakes by which it never sets the role, or sets it once only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::system::System;

/// Where it is.
const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// Looks at the configuration, if there is one.
pub fn keepalived(system: &System, findings: &mut Findings) {
    let Some(text) = system.text(CONFIGURATION) else {
        return;
    };
    let before = findings.0.len();
    judge(&text, system, findings);
    if findings.0.len() == before {
        findings.good("keepalived", format!("{CONFIGURATION} sets the role"));
    }
}

/// The lines without comments, as words; quotes hold words together.
fn lines(text: &str) -> Vec<Vec<String>> {
    let uncommented = text
        .lines()
        .map(|line| line.split(['#', '!']).next().unwrap_or_default());
    uncommented
        .map(words)
        .filter(|words| !words.is_empty())
        .collect()
}

/// The words of a line.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

/// Judges the text.
fn judge(text: &str, system: &System, findings: &mut Findings) {
    let lines = lines(text);
    let named = |name: &str| {
        lines
            .iter()
            .filter(move |words| words[0] == name)
            .collect::<Vec<_>>()
    };
    let uses_fifo = lines.iter().any(|words| {
        words[0].ends_with("notify_fifo_script") && words.iter().any(|word| word.contains("ctsync"))
    });
    let masters = named("notify_master");
    if masters.is_empty() && named("notify").is_empty() && !uses_fifo {
        findings.warning(
            "keepalived",
            "no notify_master writes the role: this node never becomes primary by keepalived",
        );
    }
    if !masters.is_empty() && named("notify_stop").is_empty() && named("notify").is_empty() {
        findings.fault(
            "keepalived",
            "there is no notify_stop: a primary whose keepalived is stopped stays primary",
        );
    }
    if !masters.is_empty()
        && (named("notify_backup").is_empty() || named("notify_fault").is_empty())
        && named("notify").is_empty()
    {
        findings.fault(
            "keepalived",
            "notify_backup and notify_fault must both make this node backup",
        );
    }
    for words in lines
        .iter()
        .filter(|words| words[0].starts_with("notify") && !words[0].contains("fifo"))
    {
        if let Some(path) = words
            .get(1)
            .and_then(|command| command.split_whitespace().next())
        {
            script(path, system, findings);
        }
    }
    let tracked = lines
        .iter()
        .filter(|words| matches!(words[0].as_str(), "file" | "track_file" | "vrrp_track_file"));
    if tracked.flatten().any(|word| word.starts_with("/proc/")) {
        findings.fault(
            "keepalived",
            "a track file is in /proc, which keepalived cannot watch: \
            use a vrrp_script with grep -qx 1 …/synced",
        );
    }
    let instances = named("vrrp_instance").len();
    if instances > 1 && named("vrrp_sync_group").is_empty() {
        findings.warning(
            "keepalived",
            format!("{instances} instances are in no vrrp_sync_group: the addresses may part"),
        );
    }
    let checks_sync = text.contains("/ct_sync/synced") || text.contains("ctsync");
    if instances > 0 && named("nopreempt").is_empty() && !checks_sync {
        findings.warning(
            "keepalived",
            "a node that comes back takes over before it is in sync: \
            use nopreempt, or a vrrp_script that looks at synced",
        );
    }
}

/// Judges the path of a script as keepalived does.
fn script(path: &str, system: &System, findings: &mut Findings) {
    if !path.starts_with('/') {
        return;
    }
    let mut so_far = PathBuf::new();
    let parts: Vec<_> = Path::new(path).components().collect();
    let Some((_, folders)) = parts.split_last() else {
        return;
    };
    for folder in folders {
        so_far.push(folder);
        let found = system.path(&so_far.to_string_lossy());
        if fs::symlink_metadata(&found).is_ok_and(|data| data.file_type().is_symlink()) {
            let shown = so_far.display();
            findings.fault(
                "keepalived",
                format!(
                    "{path} is behind the symlink {shown}, where \
                keepalived runs no script: name the real path"
                ),
            );
            return;
        }
    }
    match fs::metadata(system.path(path)) {
        Err(_) => findings.fault("keepalived", format!("there is no script {path}")),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            findings.fault(
                "keepalived",
                format!("the script {path} is not executable: chmod +x {path}"),
            );
        }
        Ok(data) if data.permissions().mode() & 0o022 != 0 => {
            findings.fault(
                "keepalived",
                format!(
                    "others than root can write the script {path}: \
                keepalived does not run it with enable_script_security"
                ),
            );
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::set::tests::Folder;

    const GOOD: &str = "vrrp_sync_group g {\n group { a b }\n notify_master \"/usr/bin/sh -c \
        'echo 1'\"\n \
        notify_backup \"/usr/bin/sh 0\"\n notify_fault \"/usr/bin/sh 0\"\n notify_stop \"/usr/bin/sh 0\"\n}\n\
        vrrp_instance a {\n nopreempt\n}\nvrrp_instance b {\n nopreempt # comment\n}\n";

    fn complaints(name: &str, text: &str) -> Vec<String> {
        let folder = Folder::new(name, "role backup\n", &[]);
        fs::create_dir_all(folder.0.join("usr/bin")).unwrap();
        std::os::unix::fs::symlink("usr/bin", folder.0.join("bin")).unwrap();
        let script = folder.0.join("usr/bin/sh");
        fs::write(&script, "").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut findings = Findings::default();
        judge(text, &System::new(&folder.0), &mut findings);
        findings
            .complaints()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_good_configuration_is_good() {
        assert_eq!(complaints("good", GOOD), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_named() {
        let cases = [
            (
                "\"/usr/bin/sh -c",
                "\"/bin/sh -c",
                "behind the symlink /bin",
            ),
            ("notify_stop", "#notify_stop", "no notify_stop"),
            ("notify_fault", "#notify_fault", "notify_fault"),
            ("/usr/bin/sh -c", "/usr/bin/absent -c", "there is no script"),
            ("vrrp_sync_group g", "group_of g", "no vrrp_sync_group"),
            ("nopreempt", "preempt_delay 1", "nopreempt"),
            (
                "vrrp_instance a {",
                "vrrp_track_file x {\n file /proc/sys/a\n}\nvrrp_instance a {",
                "/proc",
            ),
        ];
        for (number, (old, new, expected)) in cases.into_iter().enumerate() {
            let found = complaints(&format!("bad{number}"), &GOOD.replace(old, new));
            assert!(
                found.iter().any(|text| text.contains(expected)),
                "{new}: {found:?}"
            );
        }
        assert!(complaints("none", "global_defs {\n}\n")[0].contains("no notify_master"));
    }
}
