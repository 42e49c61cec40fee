// SPDX-License-Identifier: GPL-2.0

//! `ctsync set`, `role` and `resync`: what changes the node.

use std::io::ErrorKind;

use super::Context;
use crate::error::{Error, Outcome, DOWN, HEALTHY};
use crate::knobs::Setting;
use crate::system::System;

/// Sets knobs: all are judged first, `syncdev` is written last, and if the module refuses one of
/// them those before it get their old values back.
pub fn run(context: &Context, texts: &[String]) -> Outcome {
    let system = &context.system;
    let settings = ordered(texts)?;
    system.require()?;
    for setting in &settings {
        if !system.knob_path(&setting.name).exists() {
            return Err(Error::new(format!(
                "there is no knob {}: sysctl net.netfilter.ct_sync shows them all",
                setting.name
            )));
        }
    }
    let mut old = Vec::new();
    for setting in &settings {
        let before = system.knob(&setting.name);
        if let Err(error) = write(system, setting) {
            restore(system, old);
            return Err(error);
        }
        old.push((setting.name.clone(), before));
    }
    Ok(HEALTHY)
}

/// The settings in the order in which they are written.
fn ordered(texts: &[String]) -> Result<Vec<Setting>, Error> {
    let mut settings = texts
        .iter()
        .map(|text| Setting::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, setting) in settings.iter().enumerate() {
        if settings
            .iter()
            .take(at)
            .any(|earlier| earlier.name == setting.name)
        {
            return Err(Error::new(format!(
                "{} is there twice: nothing was set",
                setting.name
            )));
        }
    }
    settings.sort_by_key(|setting| setting.name == "syncdev");
    Ok(settings)
}

/// Writes a knob and looks at what it is then.
fn write(system: &System, setting: &Setting) -> Result<(), Error> {
    let Setting { name, value } = setting;
    system.set_knob(name, value)?;
    match system.knob(name) {
        Some(now) if is_same(&now, value) => Ok(()),
        Some(now) => Err(Error::new(format!(
            "{name} is {now} though {value} was written: something else sets it too"
        ))),
        None => Err(Error::new(format!("{name} cannot be read back"))),
    }
}

/// Whether a knob that was written as `written` may read as `now`.
fn is_same(now: &str, written: &str) -> bool {
    let plain = |text: &str| match text {
        "backup" => "0".to_owned(),
        "primary" | "2" if now.len() == 1 => "1".to_owned(),
        _ => {
            let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" ").to_lowercase()
        }
    };
    let hexadecimal = written
        .strip_prefix("0x")
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let addresses = |text: &str| {
        text.split(' ')
            .map(str::parse)
            .collect::<Result<Vec<std::net::IpAddr>, _>>()
    };
    let (now_plain, written_plain) = (plain(now), plain(written));
    now == written
        || now_plain == written_plain
        || written == "2" && now == "2"
        || hexadecimal.is_some_and(|n| now == n.to_string())
        || matches!((addresses(&now_plain), addresses(&written_plain)), (Ok(a), Ok(b)) if a == b)
        || matches!((now.parse::<i64>(), written.parse::<i64>()), (Ok(a), Ok(b)) if a == b)
}

/// Gives knobs their old values again, the last one first.
fn restore(system: &System, old: Vec<(String, Option<String>)>) {
    for (name, value) in old.into_iter().rev() {
        if let Some(value) = value {
            let _ = system.set_knob(&name, &value);
        }
    }
}

/// Gives the node a role.
pub fn role(system: &System, primary: bool) -> Outcome {
    let value = if primary { "1" } else { "0" };
    system.require()?;
    let setting = Setting {
        name: "state".to_owned(),
        value: value.to_owned(),
    };
    write(system, &setting)?;
    Ok(HEALTHY)
}

/// Starts a full resync.
pub fn resync(system: &System) -> Outcome {
    if !system.snapshot()?.is_running() {
        let message = "replication does not run, so there is nothing to resync: ctsync says why";
        return Err(Error::new(message).with_status(DOWN));
    }
    system.set_knob("resync", "1")?;
    Ok(HEALTHY)
}

impl System {
    /// Fails if the module is not loaded.
    pub fn require(&self) -> Result<(), Error> {
        match std::fs::metadata(self.knob_path("state")) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.snapshot().map(|_| ()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::style::Style;
    use std::fs;
    use std::path::PathBuf;

    /// A folder with the files of a node, removed at the end.
    pub struct Folder(pub PathBuf);

    impl Folder {
        /// A node with knobs and the given status.
        pub fn new(name: &str, status: &str, knobs: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ctsync-{}-{name}", std::process::id()));
            let folder = root.join("proc/sys/net/netfilter/ct_sync");
            fs::create_dir_all(&folder).unwrap();
            fs::create_dir_all(root.join("proc/net")).unwrap();
            fs::write(root.join("proc/net/ct_sync"), status).unwrap();
            for (name, value) in knobs {
                fs::write(folder.join(name), format!("{value}\n")).unwrap();
            }
            Self(root)
        }

        /// What commands take.
        pub fn context(&self) -> Context {
            Context {
                system: System::new(&self.0),
                json: false,
                style: Style::PLAIN,
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn set(folder: &Folder, texts: &[&str]) -> Outcome {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        run(&folder.context(), &texts)
    }

    #[test]
    fn syncdev_comes_last() {
        let texts = [
            "syncdev=eth2".to_owned(),
            "port=5".to_owned(),
            "group=224.0.0.9".to_owned(),
        ];
        let names: Vec<_> = ordered(&texts)
            .unwrap()
            .into_iter()
            .map(|setting| setting.name)
            .collect();
        assert_eq!(names, ["port", "group", "syncdev"]);
    }

    #[test]
    fn one_mistake_changes_nothing() {
        let folder = Folder::new("set", "role backup\n", &[("port", "3781"), ("syncdev", "")]);
        for mistake in ["backlog=100000", "new_knob=1", "port=1"] {
            assert!(set(&folder, &["port=4000", mistake]).is_err(), "{mistake}");
            assert_eq!(folder.context().system.knob("port").unwrap(), "3781");
        }
        assert_eq!(set(&folder, &["syncdev=eth2", "port=4000"]), Ok(HEALTHY));
        assert_eq!(folder.context().system.knob("syncdev").unwrap(), "eth2");
    }

    #[test]
    fn what_is_written_may_read_otherwise() {
        for (now, written) in [
            ("1", "primary"),
            ("0", "backup"),
            ("1", "2"),
            ("16", "0x10"),
            ("7", "007"),
            ("10.0.0.1 10.0.0.2", "10.0.0.1,10.0.0.2"),
            ("fe80::1", "FE80:0::1"),
            ("", ""),
        ] {
            assert!(is_same(now, written), "{now} {written}");
        }
        for (now, written) in [
            ("0", "primary"),
            ("1", "0"),
            ("16", "0x11"),
            ("eth1", "eth2"),
            ("10.0.0.1", ""),
        ] {
            assert!(!is_same(now, written), "{now} {written}");
        }
    }
}
