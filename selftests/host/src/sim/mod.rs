// SPDX-License-Identifier: GPL-2.0

//! Whole clusters of the real protocol core, over a network and a clock that are simulated.
//!
//! One seed determines a run completely. Nodes crash, restart, are promoted and demoted, links
//! lose, delay, reorder and duplicate; at the end everything is put right, and after a quiet
//! period every table has to be equal. What has to hold at every moment is asserted on the way.

mod cluster;
mod rng;
mod table;

pub use cluster::{Cluster, Options};
pub use rng::Rng;
