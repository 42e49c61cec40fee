// SPDX-License-Identifier: GPL-2.0

//! Whole clusters of the real protocol core, over a network and clocks that are simulated.
//!
//! One seed determines a run completely. Nodes crash, restart, stand still, are promoted and
//! demoted in any order; links lose (also in bursts), delay, reorder, duplicate, corrupt and are
//! cut in one or both directions; clocks differ and drift. On the way it is asserted that no
//! connection is taken backwards within a stream, that nothing of an older stream is applied, and
//! that who says it is synced is; at the end everything is put right, and every table has to be
//! equal, every backup synced, and the network quiet.

mod agenda;
mod cluster;
mod member;
mod network;
mod numbered;
mod options;
mod rng;
mod run;
mod table;

pub use cluster::Cluster;
pub use options::Options;
pub use rng::Rng;
pub use run::{run_cluster, run_seeds, seeds, setting, Report};
