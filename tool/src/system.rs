// SPDX-License-Identifier: GPL-2.0

//! The files of the machine, below a root that tests replace, and the network namespace.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};

use crate::error::{Error, DOWN};
use crate::procfile::Snapshot;

/// What the module tells.
const STATUS: &str = "/proc/net/ct_sync";
/// The folder of the knobs.
const KNOBS: &str = "/proc/sys/net/netfilter/ct_sync";
/// Where `ip netns` keeps the namespaces that have names.
const NAMESPACES: &str = "/run/netns";

/// The machine that is looked at.
pub struct System {
    root: PathBuf,
}

impl System {
    /// A machine whose files are below `root`; `/` is this one.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where an absolute path is below the root.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The text of a file without the white space at its end, `None` if it cannot be read.
    pub fn text(&self, absolute: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(absolute)).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// Whether the module is loaded.
    pub fn is_loaded(&self) -> bool {
        self.path(STATUS).exists() || self.path("/sys/module/ct_sync").exists()
    }

    /// What the module tells now.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let text = fs::read_to_string(self.path(STATUS))
            .map_err(|error| self.unreadable(STATUS, &error))?;
        Snapshot::parse(&text)
    }

    /// The value of a knob, `None` if it cannot be read.
    pub fn knob(&self, name: &str) -> Option<String> {
        self.text(&format!("{KNOBS}/{name}"))
    }

    /// The value of a knob that is a number.
    pub fn knob_number(&self, name: &str) -> Option<i64> {
        self.knob(name)?.parse().ok()
    }

    /// The path of a knob.
    pub fn knob_path(&self, name: &str) -> PathBuf {
        self.path(&format!("{KNOBS}/{name}"))
    }

    /// Writes a knob.
    pub fn set_knob(&self, name: &str, value: &str) -> Result<(), Error> {
        let path = self.knob_path(name);
        // Not `fs::write`, which would create it.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|error| self.unreadable(&format!("{KNOBS}/{name}"), &error))?;
        io::Write::write_all(&mut file, format!("{value}\n").as_bytes()).map_err(|error| {
            let why = match error.kind() {
                ErrorKind::InvalidInput => {
                    "the module refuses it, and says why in the kernel's log (dmesg)".to_owned()
                }
                _ => error.to_string(),
            };
            Error::new(format!("{name}={value} was not set: {why}"))
        })
    }

    /// The sentence about a file of the module that cannot be used.
    fn unreadable(&self, path: &str, error: &io::Error) -> Error {
        match error.kind() {
            ErrorKind::NotFound if !self.is_loaded() => Error::new(
                "the module ct_sync is not loaded: modprobe ct_sync \
                    syncdev=INTERFACE",
            )
            .with_status(DOWN),
            ErrorKind::NotFound => Error::new(format!(
                "there is no {path}: the module that is loaded is older than this program, or \
                    another one"
            )),
            ErrorKind::PermissionDenied => Error::new(format!(
                "{path} is for root: run this with \
                sudo"
            )),
            _ => Error::new(format!("{path}: {error}")),
        }
    }
}

/// Enters the network namespace that `ip netns` calls `name`; a name with a slash is a path.
pub fn enter_netns(name: &str) -> Result<(), Error> {
    let path = if name.contains('/') {
        PathBuf::from(name)
    } else {
        Path::new(NAMESPACES).join(name)
    };
    let file = fs::File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::new(format!(
            "there is no network namespace {name}: ip netns shows those that have names"
        )),
        _ => Error::new(format!("{}: {error}", path.display())),
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
        match error {
            rustix::io::Errno::PERM => Error::new(format!(
                "only root can enter the network namespace {name}: run this with sudo"
            )),
            rustix::io::Errno::INVAL => {
                Error::new(format!("{} is not a network namespace", path.display()))
            }
            _ => Error::new(format!("the network namespace {name}: {error}")),
        }
    })
}
