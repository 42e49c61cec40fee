// SPDX-License-Identifier: GPL-2.0

//! `conntrackd.conf`, as conntrackd.conf(5) describes it: words on a line, and sections in braces.

use crate::error::Error;

/// Deepest nesting of sections.
const DEPTH_MAX: usize = 8;

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The sections that it is in, with all of their words, the outermost first.
    pub path: Vec<String>,
    /// Its words.
    pub words: Vec<String>,
    /// Whether it opens a section.
    pub opens: bool,
    /// Its line, from 1.
    pub line: usize,
}

impl Directive {
    /// Its first word.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Its second word.
    pub fn value(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }

    /// The innermost section that it is in, in small letters.
    pub fn section(&self) -> String {
        self.path
            .last()
            .map(|section| section.to_lowercase())
            .unwrap_or_default()
    }
}

/// Takes the text apart.
pub fn parse(text: &str) -> Result<Vec<Directive>, Error> {
    let mut directives = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let line = number + 1;
        let mut words = Vec::new();
        let end = |words: &mut Vec<String>, path: &[String], opens| {
            let words = std::mem::take(words);
            let path = path.to_vec();
            (!words.is_empty()).then_some(Directive {
                path,
                words,
                opens,
                line,
            })
        };
        for token in tokens(text) {
            match token.as_str() {
                "{" => {
                    let section = words.join(" ");
                    directives.extend(end(&mut words, &path, true));
                    path.push(section);
                    if path.len() > DEPTH_MAX {
                        return Err(Error::new(format!(
                            "line {line}: sections are nested too deeply"
                        )));
                    }
                }
                "}" => {
                    directives.extend(end(&mut words, &path, false));
                    path.pop().ok_or_else(|| {
                        Error::new(format!("line {line}: there is no section to close"))
                    })?;
                }
                _ => words.push(token),
            }
        }
        directives.extend(end(&mut words, &path, false));
    }
    match path.last() {
        Some(section) => Err(Error::new(format!(
            "the section {section} has no end: the file was cut short"
        ))),
        None => Ok(directives),
    }
}

/// The words of a line without its comment; braces are words of their own.
fn tokens(line: &str) -> Vec<String> {
    let text = line.split('#').next().unwrap_or_default();
    let spaced = text
        .replace('{', " { ")
        .replace('}', " } ")
        .replace('"', "");
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_nested() {
        let text =
            "Sync {\n Mode FTFW { # best\n  ResendQueueSize 131072\n }\n}\nGeneral { Syslog on }\n";
        let directives = parse(text).unwrap();
        let shown: Vec<_> = directives
            .iter()
            .map(|one| {
                format!(
                    "{}/{}@{}",
                    one.path.join("/"),
                    one.words.join(" "),
                    one.line
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/Sync@1",
                "Sync/Mode FTFW@2",
                "Sync/Mode FTFW/ResendQueueSize 131072@3",
                "/General@6",
                "General/Syslog on@6"
            ]
        );
    }

    #[test]
    fn half_a_file_is_refused() {
        for text in ["Sync {", "}", "Sync {\n Mode FTFW {\n}\n", &"{".repeat(9)] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse(""), Ok(vec![]));
    }
}
