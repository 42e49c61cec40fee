// SPDX-License-Identifier: GPL-2.0

//! What conntrack keeps in extensions of an entry: labels, start, counters, SYN proxy, timeout
//! policy; and the security mark.
//!
//! Context: reading in an RCU section, maybe with a bucket's lock held; [`Resolved::new`] in
//! threads, since it may sleep; the rest in threads.

use core::ffi::CStr;

use kernel::sync::rcu;

use super::policies::{self, Policies};
use super::Lost;
use crate::kapi::conn::{Conn, Fields};
use crate::kapi::ext::{self, Count, Synproxy};
use crate::kapi::new_conn::Translated;
use crate::kapi::timeout::SharedPolicy;
use crate::proto::entry::SECCTX_MAX;
use crate::proto::{Entry, Extras};

/// Reads what an entry has; `extras` is [`Extras::NONE`] before.
pub(super) fn read(conn: &Conn, rcu: &rcu::Guard, counters: bool, extras: &mut Extras) {
    extras.labels = conn.labels().unwrap_or_default();
    extras.started_ns = conn.started_ns().unwrap_or(0);
    if let Some(counts) = conn.counters().filter(|_| counters) {
        extras.has |= Extras::HAS_COUNTERS;
        extras.packets = counts.map(|count| count.packets);
        extras.bytes = counts.map(|count| count.bytes);
    }
    if let Some(synproxy) = conn.synproxy() {
        extras.has |= Extras::HAS_SYNPROXY;
        extras.synproxy = [synproxy.isn, synproxy.its, synproxy.tsoff];
    }
    if let Some(policy) = conn.policy(rcu) {
        policies::read(policy, extras);
    }
    read_secmark(conn, extras);
}

/// The number of a context is one node's own, so its name is told.
fn read_secmark(conn: &Conn, extras: &mut Extras) {
    let secmark = conn.secmark();
    if secmark == 0 {
        return;
    }
    match ext::secctx(secmark, &mut extras.secctx) {
        Ok(length @ 1..) => extras.secctx_length = length as u8,
        _ => extras.has |= Extras::LOST_SECMARK,
    }
}

/// What the strings and numbers of a record are on this node.
pub(super) struct Resolved {
    policy: Option<SharedPolicy>,
    /// The security mark, if this node has one for the context.
    secmark: Option<u32>,
    /// What of the record is not there here.
    pub(super) lost: Lost,
}

impl Resolved {
    /// Finds out what a record means here, before anything is written. May sleep.
    pub(super) fn new(record: &Entry, policies: &mut Policies) -> Self {
        let extras = &record.extras;
        let mut resolved = Self {
            policy: None,
            secmark: Some(0),
            lost: Lost::NONE,
        };
        if extras.policy_length != 0 {
            resolved.policy = policies.find(record);
            if resolved.policy.is_none() {
                resolved.lost |= Lost::POLICY;
            }
        }
        if extras.secctx_length != 0 {
            resolved.secmark = secmark_of(extras);
            if resolved.secmark.is_none() {
                resolved.lost |= Lost::CONTEXT;
            }
        }
        resolved
    }
}

/// This node's mark for the context of a record.
fn secmark_of(extras: &Extras) -> Option<u32> {
    let mut text = [0; SECCTX_MAX + 1];
    let length = usize::from(extras.secctx_length).min(SECCTX_MAX);
    text.get_mut(..length)?
        .copy_from_slice(extras.secctx.get(..length)?);
    ext::secmark(CStr::from_bytes_until_nul(&text).ok()?).ok()
}

fn synproxy_of(extras: &Extras) -> Option<Synproxy> {
    let [isn, its, tsoff] = extras.synproxy;
    (extras.has & Extras::HAS_SYNPROXY != 0).then_some(Synproxy { isn, its, tsoff })
}

/// Whether an entry has the extensions that a record needs. If not, only a new entry helps. A
/// kernel that lacks one is content without it.
pub(super) fn fit(conn: &Conn, record: &Entry, resolved: &Resolved) -> bool {
    let wanted = synproxy_of(&record.extras).is_some();
    if ext::has_synproxy() && wanted != conn.synproxy().is_some() {
        return false;
    }
    if resolved.lost.has(Lost::POLICY) {
        return true;
    }
    let rcu = rcu::read_lock();
    match conn.policy(&rcu) {
        Some(policy) => resolved.policy.is_some() && policies::is_as(policy, &record.extras),
        None => resolved.policy.is_none(),
    }
}

/// Whether [`write`] would change nothing that matters; counters do not.
pub(super) fn are_as(conn: &Conn, record: &Entry, resolved: &Resolved) -> bool {
    let extras = &record.extras;
    let same_labels = conn.labels().is_none_or(|labels| labels == extras.labels);
    let same_start = conn
        .started_ns()
        .is_none_or(|start| extras.started_ns == 0 || start == extras.started_ns);
    let [isn, its, tsoff] = extras.synproxy;
    let same_synproxy = conn
        .synproxy()
        .is_none_or(|synproxy| synproxy == Synproxy { isn, its, tsoff });
    let same_secmark = resolved
        .secmark
        .is_none_or(|secmark| conn.secmark() == secmark);
    same_labels && same_start && same_synproxy && same_secmark
}

/// Gives a new entry the extensions that a record needs. Labels have room in every entry, since a
/// rule may set them later on. The SYN proxy takes an entry with its extension for one of its own,
/// so no other may have it.
pub(super) fn add(new: &mut Translated, record: &Entry, resolved: &mut Resolved) {
    let extras = &record.extras;
    new.add_seqadj();
    let mut kept = new.add_counters(false) & new.add_start(false);
    if extras.has & Extras::HAS_COUNTERS != 0 {
        kept &= new.add_counters(true);
    }
    if extras.started_ns != 0 {
        kept &= new.add_start(true);
    }
    kept &= new.add_labels();
    if extras.has & Extras::HAS_SYNPROXY != 0 {
        kept &= new.add_synproxy();
    }
    if let Some(policy) = &resolved.policy {
        kept &= new.add_policy(policy);
    }
    if !kept {
        resolved.lost |= Lost::EXTENSION;
    }
}

/// Has an entry say what a record says, as far as it has the extensions.
pub(super) fn write(entry: &Fields, record: &Entry, resolved: &Resolved) {
    let extras = &record.extras;
    entry.set_labels(extras.labels);
    if extras.started_ns != 0 {
        entry.set_started_ns(extras.started_ns);
    }
    if extras.has & Extras::HAS_COUNTERS != 0 {
        let [original, reply] = [0, 1].map(|i| Count {
            packets: extras.packets[i],
            bytes: extras.bytes[i],
        });
        entry.set_counters([original, reply]);
    }
    let [isn, its, tsoff] = extras.synproxy;
    entry.set_synproxy(Synproxy { isn, its, tsoff });
    if let Some(secmark) = resolved.secmark {
        entry.set_secmark(secmark);
    }
}
