// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/ct_sync`: what people and monitoring read, one `name value` a line.
//!
//! The names are an interface: they are never changed or reused. Peers come first as one line
//! each, `peer` and then `name=value`, since their number varies.

use kernel::seq_file::SeqFile;
use kernel::seq_print;

use crate::engine::Engine;
use crate::kapi::{netns, thread};
use crate::proto::wire::header::VERSION;
use crate::proto::{Node, Peer, Role, Time};
use crate::stats::{Counter, Stats};
use crate::transport::Readable;

/// The name of a role.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Backup => "backup",
        Role::Primary => "primary",
    }
}

/// Writes the whole file. `engine` is `None` while nothing runs.
pub(crate) fn write(
    seq: &SeqFile,
    role: Role,
    engine: Option<&Engine>,
    stats: &Stats,
    l2dropped: u64,
) {
    let version = netns::version().to_str().unwrap_or_default();
    seq_print!(seq, "version {}\n", version);
    seq_print!(seq, "protocol {}\n", VERSION);
    seq_print!(seq, "role {}\n", role_name(role));
    seq_print!(seq, "running {}\n", u32::from(engine.is_some()));
    if let Some(engine) = engine {
        write_node(seq, engine);
    }
    seq_print!(seq, "l2dropped {}\n", l2dropped);
    for &counter in Counter::ALL {
        let of_events = engine.map_or(0, |engine| engine.event_count(counter));
        let value = stats.value(counter) + of_events;
        seq_print!(seq, "{} {}\n", counter.name(), value);
    }
}

/// Writes what the protocol knows.
fn write_node(seq: &SeqFile, engine: &Engine) {
    let now = thread::now();
    let node = engine.node.lock();
    seq_print!(seq, "node_id {}\n", node.node_id());
    seq_print!(seq, "epoch {}\n", node.epoch());
    seq_print!(seq, "seq {}\n", node.seq());
    seq_print!(seq, "synced {}\n", u32::from(node.synced(now)));
    seq_print!(seq, "table_count {}\n", engine.table.count());
    seq_print!(seq, "table_max {}\n", engine.table.max());
    for peer in node.peers() {
        write_peer(seq, &node, peer, now);
    }
}

/// Writes the line of one peer. Times are ages in milliseconds.
fn write_peer(seq: &SeqFile, node: &Node, peer: &Peer, now: Time) {
    seq_print!(
        seq,
        "peer node_id={} address={} role={} epoch={} synced={} heard_ms={}",
        peer.node_id,
        Readable::new(&peer.address),
        role_name(peer.role),
        peer.stream.epoch,
        u32::from(peer.synced),
        peer.age_ms(now),
    );
    if let Some(heard_us) = peer.heard_us {
        seq_print!(seq, " heard_us_ms={}", now.since(heard_us) / 1_000_000);
    }
    seq_print!(seq, " lag_frames={}", node.lag(peer));
    let lag_ms = peer
        .behind_since
        .map_or(0, |since| now.since(since) / 1_000_000);
    seq_print!(seq, " lag_ms={}", lag_ms);
    seq_print!(
        seq,
        " table_count={} table_max={}\n",
        peer.table_count,
        peer.table_max
    );
}
