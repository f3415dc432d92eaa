//! How many lines an install may write in a second, over all its executions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Lines of one install in a second.
pub(super) const MAX_LINES_PER_S: u64 = 200;

/// Counts the lines of the current second.
pub(super) struct LineRate {
    since: Instant,
    /// The second in the upper half, the lines of it in the lower.
    state: AtomicU64,
}

impl LineRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, state: AtomicU64::new(0) }
    }

    /// Whether one more line may be written.
    pub(super) fn take(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.since).as_secs() & u64::from(u32::MAX);
        let count =
            |state: u64| if state >> 32 == second { state & u64::from(u32::MAX) } else { 0 };
        let next = |state| {
            let lines = count(state);
            (lines < MAX_LINES_PER_S).then_some(second << 32 | (lines + 1))
        };
        self.state.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_has_them_again() {
        let start = Instant::now();
        let rate = LineRate::new(start);
        let taken = |ms| {
            let now = start + Duration::from_millis(ms);
            (0..2 * MAX_LINES_PER_S).filter(|_| rate.take(now)).count() as u64
        };

        assert_eq!(taken(900), MAX_LINES_PER_S);
        assert_eq!(taken(999), 0);
        assert_eq!(taken(1_000), MAX_LINES_PER_S);
    }
}
