// SPDX-License-Identifier: GPL-2.0

//! `ctsync report`: what a bug report needs, as one text.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use super::{check, Context};
use crate::doctor::output;
use crate::error::{Error, Outcome, HEALTHY};
use crate::style::{ColorChoice, Style};
use crate::system::System;

/// Files that are shown.
const FILES: [&str; 4] = [
    "/proc/version",
    "/proc/net/ct_sync",
    "/proc/net/stat/nf_conntrack",
    "/etc/keepalived/keepalived.conf",
];
/// Programs whose output is shown.
const PROGRAMS: &[&[&str]] = &[
    &["modinfo", "ct_sync"],
    &["lsmod"],
    &["ip", "-s", "-d", "address"],
    &["ip", "route", "show", "table", "all"],
    &["nft", "list", "ruleset"],
    &["conntrack", "-S"],
    &[
        "dpkg-query",
        "-W",
        "ct-sync*",
        "keepalived",
        "linux-image-*",
    ],
    &["dmesg"],
];
/// Words before what is nobody's business in the files shown.
const SECRETS: [&str; 3] = ["auth_pass", "password", "auth_key"];

/// All parts one after the other.
fn text(context: &Context) -> String {
    let system = &context.system;
    let mut text = format!("ctsync {} report\n", env!("CARGO_PKG_VERSION"));
    let mut part = |title: &str, body: Option<String>| {
        let body = body.unwrap_or_else(|| "not there, or not readable".to_owned());
        text += &format!("\n==== {title}\n{}\n", body.trim_end());
    };
    part(
        "ctsync check",
        Some(check::text(&check::examine(context), context)),
    );
    part("knobs", knobs(system));
    for file in FILES {
        part(file, system.text(file));
    }
    for words in PROGRAMS {
        let (program, arguments) = words.split_first().expect("each has a name");
        part(&words.join(" "), output(program, arguments));
    }
    text
}

/// All knobs that can be read.
fn knobs(system: &System) -> Option<String> {
    let folder = fs::read_dir(system.knob_path(".")).ok()?;
    let names = folder
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut lines: Vec<_> = names
        .filter_map(|name| Some(format!("{name} = {}", system.knob(&name)?)))
        .collect();
    lines.sort_unstable();
    Some(lines.join("\n"))
}

/// The text without passwords.
fn without_secrets(text: &str) -> String {
    let line = |line: &str| match SECRETS
        .iter()
        .find(|word| line.trim_start().starts_with(**word))
    {
        Some(word) => format!("{word} (left out)\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect::<Vec<_>>().concat()
}

/// The text with a made-up name for each address; the same address has the same name throughout.
fn redacted(text: &str) -> String {
    let mut names: HashMap<IpAddr, String> = HashMap::new();
    let mut result = String::new();
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length);
        // A colon at the end belongs to the sentence.
        let trimmed = word.trim_end_matches([':', '.']);
        let address = trimmed
            .parse::<IpAddr>()
            .ok()
            .filter(|address| !address.is_loopback() && !address.is_unspecified());
        match address {
            Some(address) => {
                let next = names.len() + 1;
                result += names
                    .entry(address)
                    .or_insert_with(|| format!("address{next}"));
                result += word.get(trimmed.len()..).unwrap_or_default();
            }
            None => result += word,
        }
        let end = behind.find(is_part).unwrap_or(behind.len());
        let (between, behind) = behind.split_at(end);
        result += between;
        rest = behind;
    }
    result
}

/// Runs the command.
pub fn run(context: Context, path: Option<&Path>, redact: bool) -> Outcome {
    let style = Style::new(ColorChoice::Never);
    let text = without_secrets(&text(&Context { style, ..context }));
    let text = if redact { redacted(&text) } else { text };
    match path {
        Some(path) => fs::write(path, text)
            .map_err(|error| Error::new(format!("{} was not written: {error}", path.display())))?,
        // A reader that goes away early is its own affair.
        None => drop(io::stdout().lock().write_all(text.as_bytes())),
    }
    Ok(HEALTHY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_names() {
        assert_eq!(
            redacted(
                "from 10.9.0.1 to 2001:db8::1, 10.9.0.1: at 12:34:56 127.0.0.1 eth0 version \
                7.3.4\n"
            ),
            "from address1 to address2, address1: at 12:34:56 127.0.0.1 eth0 version 7.3.4\n"
        );
    }

    #[test]
    fn passwords_stay_here() {
        let text = without_secrets("a\n  auth_pass s3cret\nb");
        assert!(
            !text.contains("s3cret") && text.contains("auth_pass (left out)"),
            "{text}"
        );
    }
}
