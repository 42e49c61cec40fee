// SPDX-License-Identifier: GPL-2.0

//! Every byte on the wire, and what it means: headers, records and their attributes, and the
//! payloads of frames that are not numbered. Nothing else in `proto/` knows a number of the
//! specification.

mod attribute;
mod attributes;
pub(super) mod bytes;
pub mod control;
mod expectation;
pub mod header;
mod key;
mod name;
mod range;
pub mod record;
pub(super) mod remember;
mod samples;
pub mod write;
