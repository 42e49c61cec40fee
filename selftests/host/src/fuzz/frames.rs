// SPDX-License-Identifier: GPL-2.0

//! Frames to be given to nodes: those that nodes have sent, those of the specification, and what
//! becomes of them when they are damaged on purpose.

use crate::proto::wire::header::HEADER_LEN;
use crate::sim::Rng;

/// The specification, whose examples are frames of each kind.
const TEXT: &str = include_str!("../../../../Documentation/protocol.rst");
/// Frames that are kept.
const POOL_MAX: usize = 64;
/// Longest that a frame is made by damage.
const LENGTH_MAX: usize = 2000;
/// Values that are likely to be special.
const NUMBERS: [u64; 9] = [0, 1, 2, 63, 64, 1024, u64::MAX / 2, u64::MAX - 1, u64::MAX];

/// Frames.
pub(super) struct Pool {
    frames: Vec<Vec<u8>>,
}

impl Pool {
    /// The examples of the specification.
    pub(super) fn new() -> Self {
        let examples = TEXT.split(".. example:").skip(1);
        let frames: Vec<_> = examples.map(example).collect();
        assert!(frames.len() >= 7, "the examples are not found");
        Self { frames }
    }

    /// Adds one, in place of another when there are many.
    pub(super) fn add(&mut self, frame: Vec<u8>, rng: &mut Rng) {
        if self.frames.len() < POOL_MAX {
            self.frames.push(frame);
        } else {
            self.frames[rng.below(POOL_MAX as u64) as usize] = frame;
        }
    }

    /// One of them.
    pub(super) fn any(&self, rng: &mut Rng) -> &Vec<u8> {
        rng.of(&self.frames)
    }

    /// One of them, damaged; mostly so that its header says what it holds.
    pub(super) fn damaged(&self, rng: &mut Rng) -> Vec<u8> {
        let mut frame = self.any(rng).clone();
        for _ in 0..=rng.below(3) {
            self.damage(&mut frame, rng);
        }
        frame.truncate(LENGTH_MAX);
        if rng.happens(850_000) {
            mend(&mut frame);
        }
        frame
    }

    /// Damages a frame in one way.
    fn damage(&self, frame: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.below(frame.len() as u64 + 1) as usize;
        match rng.below(10) {
            0 => frame.truncate(at),
            1 => frame.extend((0..rng.below(40)).map(|n| n as u8)),
            2 => frame.insert(at, rng.bits() as u8),
            3 if at < frame.len() => drop(frame.remove(at)),
            4 => overwrite(frame, at, &rng.bits().to_be_bytes()),
            // The numbers of a frame are aligned.
            5 | 6 => overwrite(frame, at & !7, &rng.of(&NUMBERS).to_be_bytes()),
            7 => overwrite(frame, at & !3, &(rng.below(4) as u32).to_be_bytes()),
            8 => {
                let other = self.any(rng);
                frame.truncate(at.max(HEADER_LEN));
                frame.extend(other.iter().skip(HEADER_LEN));
            }
            _ if at < frame.len() => frame[at] ^= 1 << rng.below(8),
            _ => {}
        }
    }
}

/// The frame of an example: the hexadecimal pairs of its indented lines.
fn example(text: &str) -> Vec<u8> {
    let block = text.lines().skip_while(|line| !line.starts_with("   "));
    let lines = block.take_while(|line| line.starts_with("   "));
    let pairs = lines.flat_map(|line| line.split(';').next().unwrap_or("").split_whitespace());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{pair}")))
        .collect()
}

/// Puts bytes in place of others, as many as there are.
fn overwrite(frame: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in frame.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

/// Makes the header right again: magic, version, cluster, and the payload's length and records.
fn mend(frame: &mut Vec<u8>) {
    if frame.len() < HEADER_LEN {
        frame.resize(HEADER_LEN, 0);
    }
    overwrite(frame, 0, b"CTSY\x01");
    overwrite(frame, 8, &1u32.to_be_bytes());
    if frame[5] == 1 {
        let (mut at, mut count) = (HEADER_LEN, 0u16);
        while let Some(next) = frame.get(at).map(|&len| at + 1 + usize::from(len)) {
            if next > frame.len() {
                break;
            }
            (at, count) = (next, count + 1);
        }
        frame.truncate(at);
        overwrite(frame, 20, &count.to_be_bytes());
    }
    let payload = (frame.len() - HEADER_LEN) as u16;
    overwrite(frame, 22, &payload.to_be_bytes());
}
