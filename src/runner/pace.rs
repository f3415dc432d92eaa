//! How quick the executions of an install usually are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::TICK;

/// What a quick execution has of a processor, so that calls of a script engine are among them: a
/// quarter of the turn at which the sockets are missed (`LONG_TURN`), and a good ten times what it
/// takes to hand one over to another thread and to be woken by its reply.
const QUICK: Duration = Duration::from_micros(500);
/// What is assumed of an install that has not been called yet. It takes some hundred quick
/// executions to be believed to be quick.
const UNKNOWN: Duration = Duration::from_millis(50);
/// What the last execution weighs in the average: one in so many.
const WEIGHT: u64 = 16;
/// Whose first turn has once had so much of a processor is never expected to be quick again: two
/// ticks, by when a guest that only computes has given its thread back.
const NEVER_AGAIN: Duration = TICK.saturating_mul(2);

/// A running average of what the executions of an install have of a processor.
pub(super) struct Pace {
    average_ns: AtomicU64,
    had_a_long_turn: AtomicBool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            average_ns: AtomicU64::new(nanoseconds(UNKNOWN)),
            had_a_long_turn: AtomicBool::new(false),
        }
    }

    /// Whether the next execution is expected to be quick.
    pub(super) fn is_quick(&self) -> bool {
        self.average_ns.load(Relaxed) <= nanoseconds(QUICK) && !self.had_a_long_turn.load(Relaxed)
    }

    /// Notes what an execution had of a processor in its first turn.
    pub(super) fn note_first_turn(&self, spent: Duration) {
        if spent >= NEVER_AGAIN {
            self.had_a_long_turn.store(true, Relaxed);
        }
    }

    /// Counts an execution that had so much of a processor.
    pub(super) fn count(&self, spent: Duration) {
        let before = self.average_ns.load(Relaxed);
        // Of two that end at the same time one may be lost: this is a guess and no account.
        let after = before - before / WEIGHT + nanoseconds(spent) / WEIGHT;
        self.average_ns.store(after, Relaxed);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many executions like this it takes to be believed to be quick.
    fn believed_after(pace: &Pace, spent: Duration) -> usize {
        (0..1_000)
            .position(|_| {
                pace.count(spent);
                pace.is_quick()
            })
            .map_or(usize::MAX, |before| before + 1)
    }

    #[test]
    fn who_is_quick_is_believed_after_a_hundred_times() {
        let pace = Pace::new();
        assert!(!pace.is_quick());

        let needed = believed_after(&pace, QUICK / 2);

        assert!((80..150).contains(&needed), "{needed}");
    }

    #[test]
    fn a_script_engine_is_quick() {
        let needed = believed_after(&Pace::new(), Duration::from_micros(350));

        assert!((80..150).contains(&needed), "{needed}");
    }

    #[test]
    fn who_is_not_is_never_believed() {
        assert_eq!(believed_after(&Pace::new(), QUICK * 11 / 10), usize::MAX);
    }

    #[test]
    fn one_that_is_slow_counts_for_some_time() {
        let pace = Pace::new();
        believed_after(&pace, QUICK / 2);

        pace.count(Duration::from_millis(50));
        assert!(!pace.is_quick());

        assert!(believed_after(&pace, QUICK / 2) > 20);
        pace.count(Duration::MAX);
        assert!(!pace.is_quick());
    }

    #[test]
    fn a_first_turn_that_is_long_counts_for_ever() {
        let pace = Pace::new();
        believed_after(&pace, QUICK / 2);

        pace.note_first_turn(NEVER_AGAIN / 2);
        assert!(pace.is_quick());
        pace.note_first_turn(NEVER_AGAIN);

        assert_eq!(believed_after(&pace, QUICK / 2), usize::MAX);
    }
}
