//! The turn that a thread takes, as other threads see it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

/// A turn, or none. Times are nanoseconds on a clock of its own.
pub(super) struct Turn {
    clock: Instant,
    /// When the one under way began; 0: there is none.
    begun_ns: AtomicU64,
}

impl Turn {
    /// None.
    pub(super) fn none() -> Self {
        Self { clock: Instant::now(), begun_ns: AtomicU64::new(0) }
    }

    /// Begins one.
    pub(super) fn begin(&self) {
        self.begun_ns.store(self.now_ns(), Relaxed);
    }

    /// Begins one unless there is one; says when.
    pub(super) fn begin_if_none(&self) -> Option<u64> {
        let now_ns = self.now_ns();
        self.begun_ns.compare_exchange(0, now_ns, Acquire, Relaxed).ok().map(|_| now_ns)
    }

    /// Ends it.
    pub(super) fn end(&self) {
        self.begun_ns.store(0, Release);
    }

    /// Whether there is one, and it has taken longer than that.
    pub(super) fn takes_longer_than(&self, limit: Duration) -> bool {
        self.taken().is_some_and(|taken| taken > limit)
    }

    /// How long the one under way has taken.
    pub(super) fn taken(&self) -> Option<Duration> {
        let begun_ns = self.begun_ns.load(Relaxed);
        let taken = || Duration::from_nanos(self.now_ns().saturating_sub(begun_ns));
        (begun_ns != 0).then(taken)
    }

    /// What the clock says, never 0.
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}
