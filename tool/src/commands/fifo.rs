// SPDX-License-Identifier: GPL-2.0

//! `ctsync fifo`: keepalived's `vrrp_notify_fifo_script`.
//!
//! keepalived writes a line for each change of state into the FIFO, in order, where its notify
//! scripts may overtake each other. It ends this program with SIGTERM, maybe before the last lines
//! were read: those are still obeyed, the state stays as it was told last.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use rustix::event::{poll, PollFd, PollFlags};
use signal_hook::consts::SIGTERM;

use crate::commands::set::role;
use crate::error::{Error, Outcome, HEALTHY};
use crate::system::System;

/// Milliseconds in which SIGTERM is noticed.
const PERIOD_MS: i32 = 200;
/// Longest line, in bytes.
const LINE_MAX: usize = 4096;

/// Whose states are heeded.
#[derive(Debug, PartialEq, Eq)]
pub enum Heeded {
    /// Those of this sync group.
    Group(String),
    /// Those of this instance.
    Instance(String),
    /// Those of all groups, and of all instances while there is no group.
    All,
}

impl Heeded {
    /// As the options say.
    pub fn new(group: Option<String>, instance: Option<String>) -> Self {
        match (group, instance) {
            (Some(name), _) => Self::Group(name),
            (_, Some(name)) => Self::Instance(name),
            _ => Self::All,
        }
    }
}

/// What keepalived has said so far.
struct Follower {
    heeded: Heeded,
    /// Whether each group is master.
    groups: BTreeMap<String, bool>,
    /// Whether each instance is master.
    instances: BTreeMap<String, bool>,
}

impl Follower {
    /// Nothing was said yet.
    fn new(heeded: Heeded) -> Self {
        Self {
            heeded,
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
        }
    }

    /// Takes a line such as `GROUP "VG" MASTER 150`; returns whether this node is primary after it,
    /// `None` if the line is about something else.
    fn take(&mut self, line: &str) -> Option<bool> {
        let (kind, rest) = line.trim().split_once(' ')?;
        let (name, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let is_master = match rest.split_whitespace().next()? {
            "MASTER" => true,
            "BACKUP" | "FAULT" | "STOP" | "DELETED" => false,
            _ => return None,
        };
        match (kind, &self.heeded) {
            ("GROUP", Heeded::Group(heeded)) | ("INSTANCE", Heeded::Instance(heeded)) => {
                (name == heeded).then_some(is_master)
            }
            ("GROUP", Heeded::All) => {
                self.groups.insert(name.to_owned(), is_master);
                Some(self.groups.values().all(|&master| master))
            }
            ("INSTANCE", Heeded::All) => {
                self.instances.insert(name.to_owned(), is_master);
                let all = self.instances.values().all(|&master| master);
                self.groups.is_empty().then_some(all)
            }
            _ => None,
        }
    }
}

/// Follows the FIFO until SIGTERM.
pub fn run(system: &System, path: &Path, heeded: Heeded) -> Outcome {
    let fifo = open(path)?;
    let ended = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&ended))
        .map_err(|error| Error::new(format!("SIGTERM: {error}")))?;
    let mut follower = Follower::new(heeded);
    let mut pending = Vec::new();
    loop {
        // What was written before the signal came is still read.
        let last = ended.load(Ordering::Relaxed);
        if is_readable(&fifo)? {
            read(&fifo, &mut pending)?;
            for line in lines(&mut pending) {
                if let Some(primary) = follower.take(&line) {
                    obey(system, primary);
                }
            }
        } else if last {
            return Ok(HEALTHY);
        }
    }
}

/// Opens the FIFO also for writing, so that it does not end when keepalived closes it.
fn open(path: &Path) -> Result<File, Error> {
    let failed = |error: std::io::Error| Error::new(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let is_fifo = file.metadata().map_err(failed)?.file_type().is_fifo();
    match is_fifo {
        true => Ok(file),
        false => Err(Error::new(format!(
            "{} is no FIFO: name that of vrrp_notify_fifo",
            path.display()
        ))),
    }
}

/// Waits a moment for something to read.
fn is_readable(fifo: &File) -> Result<bool, Error> {
    let mut fds = [PollFd::new(fifo, PollFlags::IN)];
    match poll(&mut fds, PERIOD_MS) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Error::new(format!(
            "the FIFO cannot be waited for: {error}"
        ))),
    }
}

/// Appends what is there to `pending`.
fn read(mut fifo: &File, pending: &mut Vec<u8>) -> Result<(), Error> {
    let mut bytes = [0; LINE_MAX];
    let length = fifo
        .read(&mut bytes)
        .map_err(|error| Error::new(format!("the FIFO: {error}")))?;
    pending.extend(bytes.iter().take(length));
    Ok(())
}

/// Takes the complete lines off `pending`; what is longer than any line is dropped.
fn lines(pending: &mut Vec<u8>) -> Vec<String> {
    let end = pending
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let complete: Vec<u8> = pending.drain(..end).collect();
    if pending.len() > LINE_MAX {
        pending.clear();
    }
    let text = String::from_utf8_lossy(&complete);
    text.lines().map(str::to_owned).collect()
}

/// Sets the role. A failure is told, and does not end this: the next change may succeed.
fn obey(system: &System, primary: bool) {
    let wanted = if primary { "1" } else { "0" };
    if system.knob("state").as_deref() == Some(wanted) {
        return;
    }
    match role(system, primary) {
        Ok(_) => eprintln!("ctsync: {}", if primary { "primary" } else { "backup" }),
        Err(error) => eprintln!("ctsync: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(heeded: Heeded, lines: &[&str]) -> Vec<Option<bool>> {
        let mut follower = Follower::new(heeded);
        lines.iter().map(|line| follower.take(line)).collect()
    }

    #[test]
    fn states_become_roles() {
        let states = [
            "MASTER",
            "BACKUP",
            "FAULT",
            "STOP",
            "DELETED",
            "MASTER_RX_LOWER_PRI",
            "",
        ];
        let roles =
            states.map(|state| taken(Heeded::All, &[&format!("INSTANCE \"VI 1\" {state} 100")])[0]);
        assert_eq!(
            roles,
            [
                Some(true),
                Some(false),
                Some(false),
                Some(false),
                Some(false),
                None,
                None
            ]
        );
    }

    #[test]
    fn only_the_named_one_is_heeded() {
        let lines = [
            "GROUP \"a\" MASTER 1",
            "GROUP \"b\" MASTER 1",
            "INSTANCE \"a\" BACKUP 1",
        ];
        assert_eq!(
            taken(Heeded::Group("a".into()), &lines),
            [Some(true), None, None]
        );
        assert_eq!(
            taken(Heeded::Instance("a".into()), &lines),
            [None, None, Some(false)]
        );
    }

    #[test]
    fn a_group_speaks_for_its_instances() {
        let lines = [
            "INSTANCE \"x\" MASTER 1",
            "GROUP \"g\" MASTER 1",
            "INSTANCE \"x\" BACKUP 1",
            "GROUP \"g\" BACKUP 1",
        ];
        assert_eq!(
            taken(Heeded::All, &lines),
            [Some(true), Some(true), None, Some(false)]
        );
    }

    #[test]
    fn two_instances_must_agree() {
        let lines = [
            "INSTANCE \"x\" MASTER 1",
            "INSTANCE \"y\" BACKUP 1",
            "INSTANCE \"y\" MASTER 1",
        ];
        assert_eq!(
            taken(Heeded::All, &lines),
            [Some(true), Some(false), Some(true)]
        );
    }

    #[test]
    fn other_text_changes_nothing() {
        for line in [
            "",
            "GROUP",
            "GROUP x MASTER",
            "GROUP \"x MASTER",
            "ROUTER \"x\" MASTER 1",
            "\u{fffd}",
        ] {
            assert_eq!(taken(Heeded::All, &[line]), [None], "{line}");
        }
    }

    #[test]
    fn half_a_line_waits_for_the_rest() {
        let mut pending = b"one\ntw".to_vec();
        assert_eq!(lines(&mut pending), ["one"]);
        pending.extend(b"o\n");
        assert_eq!(lines(&mut pending), ["two"]);
        pending = vec![b'x'; LINE_MAX + 1];
        assert!(lines(&mut pending).is_empty() && pending.is_empty());
    }
}
