// SPDX-License-Identifier: GPL-2.0

//! The doctor: what can be seen on this node of the mistakes that people make.

pub mod keepalived;
pub mod kernel;
pub mod link;
pub mod rules;

use std::process::{Command, Stdio};

use serde_json::Value;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Nothing is wrong.
    Good,
    /// It works, and may cease to.
    Warning,
    /// It does not work.
    Fault,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Warning => "warning",
            Level::Fault => "fault",
        }
    }
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, one word.
    pub item: &'static str,
    /// What was found, and what to do.
    pub text: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds a finding.
    fn add(&mut self, level: Level, item: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Finding { level, item, text });
    }

    /// Adds something that is as it should be.
    pub fn good(&mut self, item: &'static str, text: impl Into<String>) {
        self.add(Level::Good, item, text);
    }

    /// Adds a warning.
    pub fn warning(&mut self, item: &'static str, text: impl Into<String>) {
        self.add(Level::Warning, item, text);
    }

    /// Adds a fault.
    pub fn fault(&mut self, item: &'static str, text: impl Into<String>) {
        self.add(Level::Fault, item, text);
    }

    /// The worst of them.
    pub fn worst(&self) -> Level {
        self.0
            .iter()
            .map(|finding| finding.level)
            .max()
            .unwrap_or(Level::Good)
    }

    /// The texts that are worse than good.
    #[cfg(test)]
    pub fn complaints(&self) -> Vec<&str> {
        let bad = self.0.iter().filter(|finding| finding.level != Level::Good);
        bad.map(|finding| finding.text.as_str()).collect()
    }
}

/// The output of a program, `None` if it is not there or fails.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The output of a program that writes JSON.
pub fn json_output(program: &str, arguments: &[&str]) -> Option<Value> {
    serde_json::from_str(&output(program, arguments)?).ok()
}
