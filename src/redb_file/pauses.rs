//! How long a file is left alone that keeps failing.
//!
//! Each failed write costs a reopening, which reads the whole file while nobody else can.
//! On a disk that is full, or gone, writes that come as fast as they can must not make the
//! file unreadable as well.

use std::time::{Duration, Instant};

/// The first pause; each further one is twice as long.
const SHORTEST: Duration = Duration::from_secs(1);

/// Failures one after another, and until when nothing is tried because of them.
#[derive(Debug)]
pub(super) struct Pauses {
    longest: Duration,
    failures: u32,
    until: Option<Instant>,
}

impl Pauses {
    pub(super) const fn up_to(longest: Duration) -> Self {
        Self { longest, failures: 0, until: None }
    }

    /// A first failure has no pause: the disk may have been full for a moment. It is not the
    /// first if the last one, with its pause, is not over for as long as the longest pause.
    pub(super) fn failed(&mut self, now: Instant) {
        let is_over = |until: Instant| now.saturating_duration_since(until) >= self.longest;
        if self.until.is_none_or(is_over) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + self.length());
    }

    /// What is left of the pause; none when it is over.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn length(&self) -> Duration {
        match self.failures {
            0 | 1 => Duration::ZERO,
            // Capped: sixteen doublings are more than any pause.
            failures => (SHORTEST * 2_u32.pow((failures - 2).min(16))).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_failure_and_each_after_it_has_a_longer_pause() {
        let (mut pauses, mut now) = (Pauses::up_to(Duration::from_mins(1)), Instant::now());
        let mut seconds = Vec::new();
        for _ in 0..10 {
            pauses.failed(now);
            let left = pauses.left(now).unwrap_or_default();
            seconds.push(left.as_secs());
            now += left;
            assert_eq!(pauses.left(now), None);
        }

        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_failure_long_after_the_last_is_a_first() {
        let (mut pauses, now) = (Pauses::up_to(Duration::from_secs(5)), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        pauses.failed(now);
        pauses.failed(now);
        assert_eq!(pauses.left(now), Some(Duration::from_secs(1)));

        // The pause ended at 1.
        pauses.failed(after(5));
        assert_eq!(pauses.left(after(5)), Some(Duration::from_secs(2)));
        pauses.failed(after(12));
        assert_eq!(pauses.left(after(12)), None);
    }
}
