//! Executions that begin on the thread that asks for them, and not on one for guests.
//!
//! To hand an execution over and to be woken by its reply makes the core go from one thread to
//! another four times, which for one caller is a fifth of what a short call costs. But while a
//! thread that speaks HTTP runs a guest, it does not look after its sockets, and no other does:
//! one thread of tokio waits for all of them. So an execution begins here only if
//!
//! - the last ones of its install were quick (`pace.rs`),
//! - this thread has begun none since it last waited for events: who came in a batch does not
//!   wait for the guests of all before him,
//! - nobody else does so, and no execution waits for its turn or has one, but for those that
//!   compute for long.
//!
//! One that computes nevertheless is noticed at the next tick, and another thread is called to
//! look after the sockets. Its thread it gives back as anywhere else, and goes on among guests.
//! Then none begins here for a hundred times as long: whatever extensions do, they hold up who
//! waits for the sockets for a hundredth of the time, and for a tick each time. What only this
//! thread can go on with, the task that it woke last and those that gave way to others, waits
//! for the end of the turn.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

thread_local! {
    /// Whether this thread has waited for events since it last began an execution.
    static HAS_WAITED: Cell<bool> = const { Cell::new(false) };
}

/// To be called by each thread of a runtime that asks for executions when it is about to wait
/// for events (`on_thread_park`). A thread that never does hands all of them over.
pub fn thread_waits() {
    HAS_WAITED.set(true);
}

/// For how many times its own length a turn that took long is the last one.
const PAUSE: u64 = 100;
/// More would be the turn of a process that was stopped meanwhile.
const LONGEST_PAUSE_NS: u64 = 60_000_000_000;

/// Whether a test wants every execution to begin where it is asked for, as far as nobody else
/// has a turn.
#[cfg(feature = "fail-points")]
pub(super) fn is_forced() -> bool {
    use std::sync::LazyLock;

    #[expect(clippy::disallowed_methods, reason = "a switch of tests, not a setting")]
    static IS_FORCED: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("PLUGBOARD__BEGIN_INLINE").is_some());
    *IS_FORCED
}

/// Tests alone ask for it, and need the feature `fail-points`.
#[cfg(not(feature = "fail-points"))]
pub(super) const fn is_forced() -> bool {
    false
}

/// Who begins an execution where it was asked for: one thread at most. All times are
/// nanoseconds from the start.
pub(super) struct Inline {
    started: Instant,
    long_turn_ns: u64,
    /// When the turn under way began; 0: there is none.
    turn: AtomicU64,
    /// When the next one may begin.
    not_before: AtomicU64,
}

/// The right to take a turn on this thread, until dropped.
pub(super) struct InlineTurn<'a>(&'a Inline);

impl Inline {
    /// With what a turn takes that is a long one.
    pub(super) fn new(long_turn: Duration) -> Self {
        Self {
            started: Instant::now(),
            long_turn_ns: u64::try_from(long_turn.as_nanos()).unwrap_or(u64::MAX),
            turn: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
        }
    }

    /// The right to take one turn on this thread, if it may.
    pub(super) fn take(&self) -> Option<InlineTurn<'_>> {
        if !HAS_WAITED.get() && !is_forced() {
            return None;
        }
        let now = self.now();
        self.turn.compare_exchange(0, now, Acquire, Relaxed).ok()?;
        let turn = InlineTurn(self);
        if now < self.not_before.load(Relaxed) {
            return None;
        }
        HAS_WAITED.set(false);
        Some(turn)
    }

    /// Whether the turn under way takes long.
    pub(super) fn is_held_up(&self) -> bool {
        let begun = self.turn.load(Relaxed);
        begun != 0 && self.now().saturating_sub(begun) > self.long_turn_ns
    }

    /// Never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

impl Drop for InlineTurn<'_> {
    fn drop(&mut self) {
        let (now, begun) = (self.0.now(), self.0.turn.load(Relaxed));
        let took = now.saturating_sub(begun);
        if took > self.0.long_turn_ns {
            let pause = took.saturating_mul(PAUSE).min(LONGEST_PAUSE_NS);
            self.0.not_before.store(now.saturating_add(pause), Relaxed);
        }
        self.0.turn.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const LONG: Duration = Duration::from_millis(20);
    /// Longer than a machine is held up.
    const NEVER: Duration = Duration::from_mins(10);

    #[test]
    fn one_turn_for_each_time_that_a_thread_waits_for_events() {
        let inline = Inline::new(NEVER);
        assert!(inline.take().is_none(), "this thread has never waited");

        for _ in 0..2 {
            thread_waits();
            assert!(inline.take().is_some());
            assert!(inline.take().is_none());
        }
    }

    #[test]
    fn nobody_else_while_one_takes_a_turn() {
        let inline = Inline::new(NEVER);
        thread_waits();
        let turn = inline.take();
        assert!(turn.is_some());

        thread_waits();
        assert!(inline.take().is_none());

        drop(turn);
        assert!(inline.take().is_some(), "it has still waited");
    }

    #[test]
    fn after_a_turn_that_took_long_there_is_none_for_a_hundred_times_as_long() {
        let inline = Inline::new(LONG);
        thread_waits();
        let turn = inline.take();
        sleep(LONG);
        assert!(inline.is_held_up());
        drop(turn);
        assert!(!inline.is_held_up());

        thread_waits();
        assert!(inline.take().is_none());
        let pause = inline.not_before.load(Relaxed) - inline.now();
        assert!((80 * inline.long_turn_ns..=LONGEST_PAUSE_NS).contains(&pause), "{pause} ns");

        inline.not_before.store(inline.now(), Relaxed);
        assert!(inline.take().is_some());
    }
}
