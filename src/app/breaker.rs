//! Leaves an install alone while it fails: its callers learn it at once, and its executions
//! do not take the time of others.

mod era;

use jiff::{SignedDuration, Timestamp};

use crate::config::RunnerConfig;
use crate::model::Failing;

pub(super) use self::era::Era;

/// The pause after the first opening; each failed try doubles it.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// The time in which the share of failures is looked at, in pieces.
const PIECES: usize = 6;
const PIECE_S: usize = 5;

/// When an install is left alone, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakerRule {
    /// In a row; also half of twice as many. 0: never.
    failures: u32,
    max_pause: SignedDuration,
}

/// How the executions of one install went of late.
#[derive(Debug)]
pub(super) struct Breaker {
    rule: BreakerRule,
    /// 0 to 255: by how much of a tenth its pauses are longer than those of others, so that
    /// installs that failed together are not tried together.
    spread: u8,
    era: Era,
    in_row: u32,
    recent: [Piece; PIECES],
    open: Option<Open>,
}

/// What a few seconds brought.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    stamp: usize,
    all: u32,
    failed: u32,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    until: Timestamp,
    pause: SignedDuration,
    /// An execution was let through to try.
    trying: bool,
    failures: u32,
    reason: String,
}

/// Calls to this install are not let through for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Failed executions since the trouble began.
    pub failures: u32,
    /// Until one is let through to try.
    pub wait: SignedDuration,
}

/// What an execution changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Opened { failures: u32, pause: SignedDuration },
    Closed { since: Timestamp },
}

impl BreakerRule {
    pub(super) fn new(config: &RunnerConfig) -> Self {
        let max_ms = i64::try_from(config.breaker_max_pause_ms).unwrap_or(i64::MAX);
        Self { failures: config.breaker_failures, max_pause: SignedDuration::from_millis(max_ms) }
    }
}

impl LeftAlone {
    /// Whole seconds until a call is let through, at least one.
    pub fn wait_s(&self) -> u64 {
        self.wait.as_millis().max(1).unsigned_abs().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
    }
}

impl Breaker {
    pub(super) fn new(rule: BreakerRule, spread: u8) -> Self {
        let (era, recent) = (Era::default(), Default::default());
        Self { rule, spread, era, in_row: 0, recent, open: None }
    }

    /// Forgets what was: somebody has changed the install.
    pub(super) fn reset(&mut self) {
        let era = self.era.next();
        *self = Self { era, ..Self::new(self.rule, self.spread) };
    }

    /// Whether it is still as when an execution of that era was let through.
    pub(super) fn is_in(&self, era: Era) -> bool {
        self.era == era
    }

    /// Whether a call would be let through.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), LeftAlone> {
        let Some(open) = &self.open else { return Ok(()) };
        let wait = open.until.duration_since(now);
        // A clock that was set back must not make a long pause of a short one.
        if wait > SignedDuration::ZERO && wait <= self.spread_out(open.pause) {
            Err(LeftAlone { failures: open.failures, wait })
        } else {
            Ok(())
        }
    }

    /// Lets a call through, and says in which era, or says why not.
    ///
    /// After a pause one goes through and tries for the others, who wait for it as long as
    /// they have waited before: should it never come to an end, another one tries then.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<Era, LeftAlone> {
        self.check(now)?;
        let spread_out = self.open.as_ref().map(|open| self.spread_out(open.pause));
        if let (Some(open), Some(pause)) = (&mut self.open, spread_out) {
            open.until = now + pause;
            open.trying = true;
        }
        Ok(self.era)
    }

    /// An execution showed that the install works.
    pub(super) fn succeed(&mut self, now: Timestamp) -> Option<Turn> {
        match &self.open {
            // Another try has failed meanwhile.
            Some(open) if !open.trying => None,
            Some(open) => {
                let since = open.since;
                self.reset();
                Some(Turn::Closed { since })
            }
            None => {
                self.in_row = 0;
                self.piece(now).all += 1;
                None
            }
        }
    }

    /// An execution that tries has begun to answer, and may go on for minutes.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<Turn> {
        if self.open.is_some() { self.succeed(now) } else { None }
    }

    /// An execution failed, and the install is to blame.
    pub(super) fn fail(&mut self, now: Timestamp, reason: impl FnOnce() -> String) -> Option<Turn> {
        if self.rule.failures == 0 {
            return None;
        }
        let (max_pause, spread) = (self.rule.max_pause, self.spread);
        match &mut self.open {
            Some(open) if !open.trying => None,
            Some(open) => {
                open.pause = (open.pause * 2).min(max_pause);
                open.until = now + lengthened(open.pause, spread);
                open.trying = false;
                open.failures = open.failures.saturating_add(1);
                open.reason = reason();
                None
            }
            None => {
                self.in_row = self.in_row.saturating_add(1);
                let piece = self.piece(now);
                piece.all += 1;
                piece.failed += 1;
                let failures = self.too_many(now)?;
                let pause = FIRST_PAUSE.min(max_pause);
                let until = now + lengthened(pause, spread);
                let reason = reason();
                self.era = self.era.next();
                self.open =
                    Some(Open { since: now, until, pause, trying: false, failures, reason });
                Some(Turn::Opened { failures, pause })
            }
        }
    }

    /// An execution ended without saying anything of the install: the next one may try.
    pub(super) fn pass_over(&mut self, now: Timestamp) {
        if let Some(open) = self.open.as_mut().filter(|open| open.trying) {
            open.until = now;
        }
    }

    /// How it fails, if it does.
    pub(super) fn failing(&self) -> Option<Failing> {
        let open = self.open.as_ref()?;
        Some(Failing {
            since: open.since,
            next_try_at: open.until,
            failures: open.failures,
            reason: open.reason.clone(),
        })
    }

    /// How many failures there were, if they are too many.
    fn too_many(&self, now: Timestamp) -> Option<u32> {
        let limit = self.rule.failures;
        if self.in_row >= limit {
            return Some(self.in_row);
        }
        let newest = stamp(now);
        let is_recent = |piece: &&Piece| (0..PIECES).contains(&newest.wrapping_sub(piece.stamp));
        let recent = self.recent.iter().filter(is_recent);
        let (all, failed) = recent.fold((0_u32, 0_u32), |(all, failed), piece| {
            (all.saturating_add(piece.all), failed.saturating_add(piece.failed))
        });
        let enough = all >= limit.saturating_mul(2);
        (enough && failed.saturating_mul(2) >= all).then_some(failed)
    }

    fn piece(&mut self, now: Timestamp) -> &mut Piece {
        let stamp = stamp(now);
        let piece = &mut self.recent[stamp % PIECES];
        if piece.stamp != stamp {
            *piece = Piece { stamp, ..Piece::default() };
        }
        piece
    }

    fn spread_out(&self, pause: SignedDuration) -> SignedDuration {
        lengthened(pause, self.spread)
    }
}

/// Which piece since 1970 it is.
fn stamp(now: Timestamp) -> usize {
    usize::try_from(now.as_second()).unwrap_or(0) / PIECE_S
}

fn lengthened(pause: SignedDuration, spread: u8) -> SignedDuration {
    pause + pause / 10 * i32::from(spread) / 255
}

#[cfg(test)]
mod tests;
