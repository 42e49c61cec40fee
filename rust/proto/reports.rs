// SPDX-License-Identifier: GPL-2.0

//! When a backup says how far it is while a resync comes in: the primary waits for that before it
//! goes on (§8.1, §8.2).

/// Frames after which a backup says how far it is, while a resync is running. It is less than what
/// a walk may be ahead, so that a walk seldom has to stand still.
const REPORT_FRAMES: u32 = 4;
/// A resync of which so many frames say nothing is over, though its END has not come.
const SILENT_FRAMES_MAX: u32 = 256;

// Or a walk that has got as far ahead as it may would never be told to go on.
const _: () = assert!((REPORT_FRAMES as u64) < super::hold::WALK_AHEAD_MAX);

/// What a backup has still to say of one stream.
pub(super) struct Reports {
    /// Whether a scrub is running, in which the primary does not wait.
    in_scrub: bool,
    /// Frames that are taken yet before it is forgotten that a resync is running; 0 if none is.
    resync_frames: u32,
    /// Frames taken since the last heartbeat.
    unreported: u32,
}

impl Reports {
    /// No resync is running.
    pub(super) const NONE: Reports = Reports {
        in_scrub: false,
        resync_frames: 0,
        unreported: 0,
    };

    /// Takes a BEGIN. The first report is due at once: what the primary knows of this node is a
    /// heartbeat old.
    pub(super) fn begin(&mut self, scrub: bool) {
        self.in_scrub = scrub;
        self.resync_frames = if scrub { 0 } else { SILENT_FRAMES_MAX };
        self.unreported = REPORT_FRAMES;
    }

    /// Takes a record of a walk: a resync is running, also if its BEGIN was lost.
    pub(super) fn note_walked(&mut self) {
        if !self.in_scrub {
            self.resync_frames = SILENT_FRAMES_MAX;
        }
    }

    /// Takes an END.
    pub(super) fn end(&mut self) {
        (self.in_scrub, self.resync_frames) = (false, 0);
    }

    /// Takes note of a data frame that was taken. Returns whether a report is due.
    pub(super) fn note_frame(&mut self) -> bool {
        self.resync_frames = self.resync_frames.saturating_sub(1);
        if self.resync_frames == 0 {
            return false;
        }
        self.unreported = self.unreported.saturating_add(1);
        self.unreported >= REPORT_FRAMES
    }

    /// Takes the news that a heartbeat is sent: it says how far this node is.
    pub(super) fn note_reported(&mut self) {
        self.unreported = 0;
    }
}
