// SPDX-License-Identifier: GPL-2.0

//! Where in the protocol core the formats on the wire are: nothing else here names its inner paths.

pub use crate::proto::wire::control::{Heartbeat, Nack, ResyncRequest};
pub use crate::proto::wire::header::{Header, Kind, FLAG_FOLLOWS, FLAG_SYNCED, VERSION};
pub use crate::proto::wire::record::{Record, Records};
pub use crate::proto::{Endpoints, Entry, Expectation, Key, Role};
