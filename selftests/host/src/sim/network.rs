// SPDX-License-Identifier: GPL-2.0

//! The simulated network: what becomes of a frame on its way from one node to another.

use super::options::Options;
use super::rng::Rng;
use crate::proto::time::NS_PER_MS;
use crate::proto::Time;
use std::rc::Rc;

/// Least delay of a frame.
const DELAY_MIN_NS: u64 = 50_000;
/// Lost frames in a burst, in parts per million.
const BURST_LOSS_PPM: u32 = 900_000;
/// Longest burst.
const BURST_NS: u64 = 200 * NS_PER_MS;

/// One direction between two nodes.
#[derive(Clone, Copy, Default)]
struct Link {
    /// Nothing passes before.
    cut_until: Time,
    /// Little passes before.
    burst_until: Time,
}

/// All links.
pub(super) struct Network {
    nodes: usize,
    links: Vec<Link>,
    /// Every frame arrives, once and soon.
    pub(super) perfect: bool,
}

impl Network {
    /// Links between `nodes` nodes, all whole.
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            links: vec![Link::default(); nodes * nodes],
            perfect: false,
        }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.nodes + to]
    }

    /// Cuts one direction.
    pub(super) fn cut(&mut self, from: usize, to: usize, until: Time) {
        self.link(from, to).cut_until = until;
    }

    /// Cuts a node off from all others, in both directions.
    pub(super) fn isolate(&mut self, who: usize, until: Time) {
        for other in 0..self.nodes {
            self.cut(who, other, until);
            self.cut(other, who, until);
        }
    }

    /// Makes all links whole.
    pub(super) fn mend(&mut self) {
        self.links.fill(Link::default());
        self.perfect = true;
    }

    /// The copies of a frame that arrive, each with its delay.
    pub(super) fn carry(
        &mut self,
        (from, to): (usize, usize),
        frame: &Rc<[u8]>,
        now: Time,
        options: &Options,
        rng: &mut Rng,
    ) -> [Option<(u64, Rc<[u8]>)>; 3] {
        if self.perfect {
            return [Some((DELAY_MIN_NS, frame.clone())), None, None];
        }
        let link = self.link(from, to);
        if now >= link.burst_until && rng.happens(options.burst_ppm) {
            link.burst_until = now.after(rng.below(BURST_NS));
        }
        let in_burst = now < link.burst_until;
        if now < link.cut_until || (in_burst && rng.happens(BURST_LOSS_PPM)) {
            return [None, None, None];
        }
        // A changed bit is always found by UDP's checksum.
        let arrives = !rng.happens(options.loss_ppm) && !rng.happens(options.corrupt_ppm);
        let twice = rng.happens(options.duplicate_ppm);
        let rubbish = rng.happens(options.rubbish_ppm);
        let mut delay = || DELAY_MIN_NS + rng.below(options.delay_ns);
        let first = arrives.then(|| (delay(), frame.clone()));
        let second = (arrives && twice).then(|| (delay(), frame.clone()));
        let third = rubbish.then(&mut delay);
        [first, second, third.map(|delay| (delay, spoil(frame, rng)))]
    }
}

/// Rubbish: a frame that was cut, or that somebody else sent.
fn spoil(frame: &Rc<[u8]>, rng: &mut Rng) -> Rc<[u8]> {
    let len = rng.below(frame.len() as u64) as usize;
    let mut bytes = frame[..len].to_vec();
    if rng.happens(500_000) {
        bytes.iter_mut().for_each(|byte| *byte = rng.bits() as u8);
    }
    bytes.into()
}
