//! Executions that begin on the thread that asks for them, and not on one for guests.
//!
//! To hand an execution over and to be woken by its reply makes the core go from one thread to
//! another four times, which for one caller is a fifth of what a short call costs. But while a
//! thread that speaks HTTP runs a guest, it does not look after its sockets, and no other does:
//! one thread of tokio waits for all of them. So an execution begins here only if
//!
//! - the last ones of its install were quick (`pace.rs`),
//! - this thread was asked for no other since it last waited for events, and for one at most
//!   each of the last times, each time by the same task, which is a connection, or after it had
//!   waited for a while: who came in a batch, or while the one before him had a turn here, does
//!   not wait for the guests of all before him, and together they cost less where guests have
//!   threads of their own,
//! - nobody else does so, and no execution waits for its turn or has one, but for those that
//!   compute for long.
//!
//! One that computes nevertheless is noticed at the next tick, and another thread is called to
//! look after the sockets; on one core there is none. Its thread it gives back as anywhere else,
//! and goes on among guests. Then none begins here for a hundred times as long: whatever
//! extensions do, they hold up who waits for the sockets for a hundredth of the time, and for a
//! tick each time, or, on one core, for as long as one instruction takes. What only this thread
//! can go on with, the task that it woke last and those that gave way to others, waits for the
//! end of the turn.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::{self, Id};

use super::turn::Turn;

/// After how many executions that this thread was asked for one at a time the next may be alone.
const ALONE: u32 = 8;
/// Who has waited for events for so long has not been asked by anybody else meanwhile.
const LULL: Duration = Duration::from_micros(100);

thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked::NOTHING) };
    static WAITS_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What a thread was asked for.
#[derive(Clone, Copy)]
struct Asked {
    /// Executions since it last waited for events.
    since_waiting: u32,
    /// How many in a row came one at a time.
    alone: u32,
    /// The task that asked last.
    by: Option<Id>,
    /// Whether this thread had waited for a while before.
    after_lull: bool,
}

impl Asked {
    const NOTHING: Self = Self { since_waiting: 0, alone: 0, by: None, after_lull: false };
}

/// To be called by each thread of a runtime that asks for executions when it is about to wait
/// for events (`on_thread_park`). A thread that never does hands all of them over.
pub fn thread_waits() {
    WAITS_SINCE.set(Some(Instant::now()));
    let asked = ASKED.get();
    let alone = match asked.since_waiting {
        0 => asked.alone,
        1 => asked.alone.saturating_add(1),
        _ => 0,
    };
    ASKED.set(Asked { since_waiting: 0, alone, ..asked });
}

/// To be called by the same thread when it has waited (`on_thread_unpark`).
pub fn thread_wakes() {
    let after_lull = WAITS_SINCE.take().is_some_and(|since| since.elapsed() >= LULL);
    ASKED.set(Asked { after_lull, ..ASKED.get() });
}

/// Counts an execution that this thread is asked for, and says whether such come one at a time.
pub(super) fn asks_alone() -> bool {
    let Asked { since_waiting, alone, by: last, after_lull } = ASKED.get();
    let by = task::try_id();
    let alone = if after_lull || (by.is_some() && by == last) { alone } else { 0 };
    ASKED.set(Asked { since_waiting: since_waiting.saturating_add(1), alone, by, after_lull });
    (since_waiting == 0 && alone >= ALONE) || is_forced()
}

/// Says that there are executions under way.
pub(super) fn has_company() {
    ASKED.set(Asked { alone: 0, ..ASKED.get() });
}

/// As if this thread had been asked for one at a time.
#[cfg(test)]
pub(super) fn pretend_to_be_alone() {
    ASKED.set(Asked { alone: ALONE, after_lull: true, ..Asked::NOTHING });
}

/// For how many times its own length a turn that took long is the last one.
const PAUSE: u32 = 100;
/// More would be the turn of a process that was stopped meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

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

/// Who begins an execution where it was asked for: one thread at most.
pub(super) struct Inline {
    long_turn: Duration,
    turn: Turn,
    /// When the next one may begin, on the clock of `turn`.
    not_before_ns: AtomicU64,
}

/// The right to take a turn on this thread, until dropped.
pub(super) struct InlineTurn<'a>(&'a Inline);

impl Inline {
    /// With what a turn takes that is a long one.
    pub(super) fn new(long_turn: Duration) -> Self {
        Self { long_turn, turn: Turn::none(), not_before_ns: AtomicU64::new(0) }
    }

    /// The right to take one turn on this thread, if nobody else has it and there is no pause.
    pub(super) fn take(&self) -> Option<InlineTurn<'_>> {
        let begun_ns = self.turn.begin_if_none()?;
        let turn = InlineTurn(self);
        (begun_ns >= self.not_before_ns.load(Relaxed)).then_some(turn)
    }

    /// Whether the turn under way takes long.
    pub(super) fn is_held_up(&self) -> bool {
        self.turn.takes_longer_than(self.long_turn)
    }
}

impl Drop for InlineTurn<'_> {
    fn drop(&mut self) {
        let Inline { long_turn, turn, not_before_ns } = self.0;
        if let Some(taken) = turn.taken()
            && taken > *long_turn
        {
            let pause = taken.saturating_mul(PAUSE).min(LONGEST_PAUSE).as_nanos();
            let pause_ns = u64::try_from(pause).unwrap_or(u64::MAX);
            not_before_ns.store(turn.now_ns().saturating_add(pause_ns), Relaxed);
        }
        turn.end();
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const LONG: Duration = Duration::from_millis(20);
    /// Longer than a machine is held up.
    const NEVER: Duration = Duration::from_mins(10);

    /// After how many that a task asked for one at a time the next is alone.
    fn needed() -> usize {
        let alone = |_: &usize| {
            thread_waits();
            asks_alone()
        };
        (0..100).find(alone).unwrap()
    }

    #[tokio::test]
    async fn who_comes_one_at_a_time_is_alone() {
        tokio::spawn(async {
            assert_eq!(needed(), ALONE as usize);
            assert!(!asks_alone(), "a second one");
            assert_eq!(needed(), ALONE as usize);

            thread_waits();
            thread_waits();
            assert!(asks_alone(), "it was woken for something else");

            has_company();
            assert_eq!(needed(), ALONE as usize - 1);
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn another_one_is_alone_after_a_lull_only() {
        for has_waited in [false, true] {
            tokio::spawn(async { needed() }).await.unwrap();
            let another = tokio::spawn(async move {
                thread_waits();
                if has_waited {
                    WAITS_SINCE.set(Instant::now().checked_sub(LULL));
                    thread_wakes();
                }
                asks_alone()
            });
            assert_eq!(another.await.unwrap(), has_waited);
        }
    }

    #[test]
    fn nobody_else_while_one_takes_a_turn() {
        let inline = Inline::new(NEVER);
        let turn = inline.take();
        assert!(turn.is_some());

        assert!(inline.take().is_none());

        drop(turn);
        assert!(inline.take().is_some());
    }

    #[test]
    fn after_a_turn_that_took_long_there_is_none_for_a_hundred_times_as_long() {
        let inline = Inline::new(LONG);
        let turn = inline.take();
        sleep(LONG);
        assert!(inline.is_held_up());
        drop(turn);
        assert!(!inline.is_held_up());

        assert!(inline.take().is_none());
        let pause = inline.not_before_ns.load(Relaxed) - inline.turn.now_ns();
        let pause = Duration::from_nanos(pause);
        assert!((80 * LONG..=LONGEST_PAUSE).contains(&pause), "{pause:?}");

        inline.not_before_ns.store(inline.turn.now_ns(), Relaxed);
        assert!(inline.take().is_some());
    }
}
