// SPDX-License-Identifier: GPL-2.0

//! Colours, only where a person reads, and numbers as people write them.

use std::io::{stdout, IsTerminal};

use clap::ValueEnum;

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum ColorChoice {
    /// On terminals, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// How to write: with colours or without.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colored: bool,
}

impl Style {
    /// The style of the standard output.
    pub fn new(choice: ColorChoice) -> Self {
        let wanted = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colored = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => wanted() && stdout().is_terminal(),
        };
        Self { colored }
    }

    /// Text without colours.
    #[cfg(test)]
    pub const PLAIN: Self = Self { colored: false };

    /// `text` in the colour with the ANSI number `color`.
    fn paint(self, color: u8, text: &str) -> String {
        match self.colored {
            true => format!("\x1b[{color}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint(31, text)
    }

    /// What deserves a look.
    pub fn warning(self, text: &str) -> String {
        self.paint(33, text)
    }

    /// What stands out without being wrong.
    pub fn strong(self, text: &str) -> String {
        self.paint(1, text)
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A span of milliseconds as people say it.
pub fn span(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..=3_599_999 => format!("{} min", ms / 60_000),
        3_600_000..=172_799_999 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes() {
        let texts = [0, 999, 1000, 41230, 1_000_000].map(grouped);
        assert_eq!(texts, ["0", "999", "1 000", "41 230", "1 000 000"]);
    }

    #[test]
    fn spans_have_the_unit_that_fits() {
        let texts = [0, 999, 1000, 59_999, 60_000, 3_600_000, 200_000_000].map(span);
        assert_eq!(
            texts,
            ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min", "1 h", "2 days"]
        );
    }

    #[test]
    fn colours_are_never_there_when_not_wanted() {
        assert_eq!(Style::new(ColorChoice::Never).bad("x"), "x");
        assert_eq!(Style::new(ColorChoice::Always).bad("x"), "\x1b[31mx\x1b[0m");
    }
}
