//! Whether one install is left alone. It is a few hundred bytes, and known for as long as the
//! install is there: what an install is held back for is not forgotten because others are called.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::app::breaker::{Breaker, BreakerRule, Era, LeftAlone, Turn};
use crate::model::{Failing, Install};
use crate::runner::Outcome;

/// The breaker of an install.
pub(super) struct Watch(Mutex<Watched>);

struct Watched {
    breaker: Breaker,
    /// Of the row that the breaker is about: a change of the install is a new beginning.
    updated_at: Timestamp,
}

impl Watch {
    pub(super) fn new(install: &Install, rule: BreakerRule) -> Self {
        let breaker = Breaker::new(rule, install.id.as_bytes()[0]);
        Self(Mutex::new(Watched { breaker, updated_at: install.updated_at }))
    }

    pub(super) fn check(&self, install: &Install, now: Timestamp) -> Result<(), LeftAlone> {
        self.of(install).breaker.check(now)
    }

    pub(super) fn admit(&self, install: &Install, now: Timestamp) -> Result<Era, LeftAlone> {
        self.of(install).breaker.admit(now)
    }

    /// An execution that was let through in `era` has begun to answer.
    pub(super) fn begin(&self, era: Era, now: Timestamp) -> Option<Turn> {
        self.watched().in_era(era)?.begin(now)
    }

    /// Takes note of how an execution ended that was let through in `era`.
    pub(super) fn note(
        &self,
        era: Era,
        outcome: Outcome,
        now: Timestamp,
        reason: impl FnOnce() -> String,
    ) -> Option<Turn> {
        let mut watched = self.watched();
        let breaker = watched.in_era(era)?;
        if outcome.is_failure() {
            breaker.fail(now, reason)
        } else if outcome.is_success() {
            breaker.succeed(now)
        } else {
            breaker.pass_over(now);
            None
        }
    }

    pub(super) fn failing(&self, install: &Install) -> Option<Failing> {
        let watched = self.watched();
        let is_current = install.enabled && watched.updated_at == install.updated_at;
        if is_current { watched.breaker.failing() } else { None }
    }

    /// Knows nothing of an install as it was before somebody changed it.
    fn of(&self, install: &Install) -> MutexGuard<'_, Watched> {
        let mut watched = self.watched();
        if watched.updated_at != install.updated_at {
            watched.updated_at = install.updated_at;
            watched.breaker.reset();
        }
        watched
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // Counters: whole after every step, even if a thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// The breaker, for an execution that it still learns from.
    fn in_era(&mut self, era: Era) -> Option<&mut Breaker> {
        Some(&mut self.breaker).filter(|breaker| breaker.is_in(era))
    }
}
