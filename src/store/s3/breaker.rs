//! Stops asking a server that is down, so that those who wait learn it at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which the server counts as down.
const FAILURES: u32 = 5;

/// Counts failures in a row, and refuses for a while after the last of them.
#[derive(Debug)]
pub(super) struct Breaker {
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
}

/// The request was not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server failed {failures} times in a row; the next request goes out in {} ms",
    .wait.as_millis()
)]
pub(super) struct Broken {
    failures: u32,
    wait: Duration,
}

impl Breaker {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, state: Mutex::default() }
    }

    /// Lets a request through, or says why not.
    ///
    /// After the pause one goes through and tries the server for the others.
    pub(super) fn check(&self, now: Instant) -> Result<(), Broken> {
        let mut state = self.state();
        match state.closed_until {
            Some(until) if now < until => {
                Err(Broken { failures: state.failures, wait: until.duration_since(now) })
            }
            Some(_) => {
                state.closed_until = Some(now + self.pause);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The server answered, whatever it said.
    pub(super) fn note_answer(&self) {
        *self.state() = State::default();
    }

    /// The server did not answer, or said that it failed.
    pub(super) fn note_failure(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.closed_until = Some(now + self.pause);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    /// A breaker after so many failures in a row.
    fn after(failures: u32, now: Instant) -> Breaker {
        let breaker = Breaker::new(PAUSE);
        (0..failures).for_each(|_| breaker.note_failure(now));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_stop_requests_for_a_while() {
        let now = Instant::now();
        let breaker = after(FAILURES - 1, now);
        assert_eq!(breaker.check(now), Ok(()));

        breaker.note_failure(now);

        assert_eq!(breaker.check(now), Err(Broken { failures: 5, wait: PAUSE }));
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_again() {
        let now = Instant::now();
        let breaker = after(FAILURES - 1, now);

        breaker.note_answer();
        breaker.note_failure(now);

        assert_eq!(breaker.check(now), Ok(()));
    }

    #[test]
    fn one_request_tries_the_server_after_the_pause() {
        let now = Instant::now();
        let breaker = after(FAILURES, now);

        assert_eq!(breaker.check(now + PAUSE), Ok(()));

        assert!(breaker.check(now + PAUSE).is_err());
        breaker.note_answer();
        assert_eq!(breaker.check(now + PAUSE), Ok(()));
    }

    #[test]
    fn a_server_still_down_is_left_alone_for_another_pause() {
        let now = Instant::now();
        let breaker = after(FAILURES, now);
        breaker.check(now + PAUSE).unwrap();

        breaker.note_failure(now + PAUSE);

        let refused = Err(Broken { failures: 6, wait: PAUSE });
        assert_eq!(breaker.check(now + PAUSE), refused);
    }
}
