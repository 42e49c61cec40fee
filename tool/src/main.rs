// SPDX-License-Identifier: GPL-2.0

//! `ctsync`: shows and steers ct_sync.

mod capture;
mod cli;
mod commands;
mod conntrackd;
mod ctnetlink;
mod decode;
mod doctor;
mod error;
mod fate;
mod faults;
mod flow;
mod knobs;
mod procfile;
mod style;
mod system;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Role};
use commands::{
    check, diff, documents, dump, events, fifo, import, metrics, report, set, sniff, status, wait,
    watch, Context,
};
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
        Command::Watch { seconds, count } => watch::run(&context, seconds, count),
        Command::Events { once } => events::run(&context, once),
        Command::Wait { goal, timeout } => wait::run(&context, goal, timeout),
        Command::UpgradeReady => wait::upgrade_ready(&context),
        Command::Set { settings } => set::run(&context, &settings),
        Command::Role { role } => set::role(&context.system, role == Role::Primary),
        Command::Resync => set::resync(&context.system),
        Command::Check => check::run(&context),
        Command::Dump => dump::run(&context),
        Command::Diff { tables, rsh } => diff::run(&context, &tables, &rsh),
        Command::Import { file } => import::run(&context, &file),
        Command::Report { output, redact } => report::run(context, output.as_deref(), redact),
        Command::Documents { folder } => documents::run(&folder),
        Command::Sniff {
            read,
            port,
            count,
            flow,
        } => {
            let (file, flow) = (read.as_deref(), flow.as_deref());
            sniff::run(
                &context,
                &sniff::Options {
                    file,
                    port,
                    count,
                    flow,
                },
            )
        }
        Command::Metrics { output, http } => metrics::run(&context.system, output.as_deref(), http),
        Command::Fifo {
            group,
            instance,
            fifo,
        } => fifo::run(&context.system, &fifo, fifo::Heeded::new(group, instance)),
    }
}
