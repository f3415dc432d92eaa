//! What became of the lines of guests, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of the lines since the start: each is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// On disk.
    pub kept: u64,
    /// More than an execution or an install may write.
    pub over_limit: u64,
    /// The writer could not keep up.
    pub queue_full: u64,
    /// The disk took no more.
    pub not_written: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    kept: AtomicU64,
    over_limit: AtomicU64,
    queue_full: AtomicU64,
    not_written: AtomicU64,
}

impl Counts {
    pub(super) fn kept(&self, lines: u64) {
        self.kept.fetch_add(lines, Relaxed);
    }

    pub(super) fn over_limit(&self, lines: u64) {
        if lines > 0 {
            self.over_limit.fetch_add(lines, Relaxed);
        }
    }

    pub(super) fn queue_full(&self, lines: u64) {
        self.queue_full.fetch_add(lines, Relaxed);
    }

    pub(super) fn not_written(&self, lines: u64) {
        self.not_written.fetch_add(lines, Relaxed);
    }

    pub(super) fn read(&self) -> LineCounts {
        LineCounts {
            kept: self.kept.load(Relaxed),
            over_limit: self.over_limit.load(Relaxed),
            queue_full: self.queue_full.load(Relaxed),
            not_written: self.not_written.load(Relaxed),
        }
    }
}
