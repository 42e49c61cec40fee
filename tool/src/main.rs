// SPDX-License-Identifier: GPL-2.0

//! `ctsync`: shows and steers ct_sync.

mod cli;
mod commands;
mod error;
mod faults;
mod procfile;
mod style;
mod system;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use commands::{status, Context};
use error::{Outcome, HEALTHY, UNKNOWN};
use style::Style;
use system::System;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no mistakes.
        Err(message) => {
            let _ = message.print();
            return ExitCode::from(if message.use_stderr() {
                UNKNOWN
            } else {
                HEALTHY
            });
        }
    };
    match run(cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("ctsync: {error}");
            ExitCode::from(error.status)
        }
    }
}

/// Runs the command.
fn run(cli: Cli) -> Outcome {
    if let Some(name) = &cli.global.netns {
        system::enter_netns(name)?;
    }
    let context = Context {
        system: System::new(cli.global.root),
        json: cli.global.json,
        style: Style::new(cli.global.color),
    };
    match cli.command.unwrap_or(Command::Status { brief: false }) {
        Command::Status { brief } => status::run(&context, brief),
    }
}
