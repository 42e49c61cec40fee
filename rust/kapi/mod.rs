// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the C that the rest of the module uses; the only `unsafe` there is.
//!
//! One C concept a file. Each says which call guarantees that no callback runs any more. Nothing
//! here knows the protocol: structs of the kernel stay behind the helpers in `../helpers`, which
//! fill the flat structs of `proto/entry.rs`.

pub(crate) mod conntrack;
pub(crate) mod hooks;
pub(crate) mod knobs;
pub(crate) mod netns;
pub(crate) mod notifier;
pub(crate) mod socket;
pub(crate) mod thread;
