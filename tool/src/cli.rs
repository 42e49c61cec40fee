// SPDX-License-Identifier: GPL-2.0

//! The command line. The man pages and the completions are made of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::wait::Goal;
use crate::style::ColorChoice;

/// What the man page says of exit statuses.
const AFTER: &str = "Exit status: 0 healthy, or yes; 1 degraded, or no; 2 replication does not \
    run, or a fault was \
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
    /// Show the status again and again, with rates
    Watch {
        /// Seconds between two looks
        #[arg(default_value_t = 1.0)]
        seconds: f64,
        /// End after so many looks
        #[arg(short, long, value_name = "N")]
        count: Option<u64>,
    },
    /// Write a line for each change of role, sync and peers
    Events {
        /// Write only what is now
        #[arg(long)]
        once: bool,
    },
    /// Wait until something is so
    Wait {
        /// What to wait for
        goal: Goal,
        /// Give up after so many seconds, with exit status 1
        #[arg(short, long, value_name = "SECONDS")]
        timeout: Option<f64>,
    },
    /// Say whether this node may be rebooted now
    UpgradeReady,
    /// Set knobs; if one of the values is refused, none is changed
    Set {
        /// What to set: the knobs are those of net.netfilter.ct_sync
        #[arg(required = true, value_name = "KNOB=VALUE")]
        settings: Vec<String>,
    },
    /// Give this node a role
    Role {
        /// The role
        role: Role,
    },
    /// Have the primary send its whole table again
    Resync,
    /// Look for mistakes, and say what to do: exit status 1 for warnings, 2 for faults
    Check,
    /// Write the conntrack table, one line of JSON an entry, sorted
    Dump,
    /// Prove that the tables of two nodes are equal
    Diff {
        /// Another node, or files with what `ctsync dump` wrote; one is compared with this node
        #[arg(required = true, num_args = 1..=2, value_name = "HOST|FILE")]
        tables: Vec<String>,
        /// How to run a command on another node: it gets the name of the node and the command
        #[arg(short = 'e', long, default_value = "ssh", value_name = "COMMAND")]
        rsh: String,
    },
    /// Say what a conntrackd.conf becomes: exit status 1 if something is lost; nothing is written
    Import {
        /// The file
        #[arg(value_name = "CONNTRACKD.CONF")]
        file: PathBuf,
    },
    /// Write what a bug report needs
    Report {
        /// Write it into this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace addresses by made-up names
        #[arg(long)]
        redact: bool,
    },
    /// Write the man pages and the completions into a folder
    #[command(hide = true)]
    Documents {
        /// The folder
        folder: PathBuf,
    },
    /// Decode frames from the wire, or from a file of tcpdump
    Sniff {
        /// Read this file of tcpdump -w, - for the standard input
        #[arg(short, long, value_name = "FILE")]
        read: Option<PathBuf>,
        /// The port of the frames: that of the knob, else 3781
        #[arg(short, long)]
        port: Option<u16>,
        /// End after so many frames
        #[arg(short, long, value_name = "N")]
        count: Option<u64>,
        /// Show only records of connections with this in them, such as 10.1.0.10:2000 or tcp:
        #[arg(short, long, value_name = "TEXT")]
        flow: Option<String>,
    },
    /// Write metrics for Prometheus
    Metrics {
        /// Write them into this file, which is replaced at once
        #[arg(short, long, value_name = "FILE", conflicts_with = "http")]
        output: Option<PathBuf>,
        /// Answer one HTTP request on the standard input, for a socket unit with Accept=yes
        #[arg(long)]
        http: bool,
    },
    /// Follow what keepalived writes to its vrrp_notify_fifo, and set the role
    Fifo {
        /// Heed only this sync group
        #[arg(short, long, value_name = "NAME", conflicts_with = "instance")]
        group: Option<String>,
        /// Heed only this instance
        #[arg(short, long, value_name = "NAME")]
        instance: Option<String>,
        /// The FIFO
        fifo: PathBuf,
    },
}

/// A role on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Role {
    /// It forwards, and the others follow it.
    Primary,
    /// It follows the primary.
    Backup,
}
