// SPDX-License-Identifier: GPL-2.0

//! The command line. The man pages and the completions are made of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::style::ColorChoice;

/// What the man page says of exit statuses.
const AFTER: &str = "Exit status: 0 healthy, or yes; 1 degraded, or no; 2 replication does not run, or a fault was \
found; 3 the program could not do what it was asked to, and one sentence on the standard error says why.";

/// Shows and steers ct_sync, which replicates conntrack tables between firewalls
#[derive(Parser, Debug)]
#[command(name = "ctsync", version, after_help = AFTER, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// What all commands have in common.
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing means `status`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of all commands.
#[derive(Args, Debug)]
pub struct Global {
    /// Look at the network namespace that `ip netns` calls NETNS
    #[arg(short = 'n', long, global = true, value_name = "NETNS")]
    pub netns: Option<String>,
    /// Write JSON
    #[arg(short, long, global = true)]
    pub json: bool,
    /// Use colours: on terminals, always or never; NO_COLOR is heeded too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Read the files of /proc and /sys below this folder
    #[arg(
        long,
        global = true,
        hide = true,
        default_value = "/",
        value_name = "FOLDER"
    )]
    pub root: PathBuf,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say whether a failover now would lose connections, and what is wrong (this is the default)
    Status {
        /// Write one line
        #[arg(short, long)]
        brief: bool,
    },
}
