//! How much of a processor an install may have over time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::ExecuteError;
use super::pace::Pace;
use crate::config::RunnerConfig;

/// What every account is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuAllowance {
    /// Of one core; 0: no limit.
    percent: u32,
    burst: Duration,
}

/// The processor time that an install has left: a bucket that time fills and executions empty.
///
/// An execution is charged when it is over, so the level may fall below nothing; then no
/// other begins until it is filled again.
pub(super) struct CpuAccount {
    allowance: CpuAllowance,
    level: Mutex<Level>,
    pace: Pace,
}

struct Level {
    left_ns: i64,
    at: Instant,
}

impl CpuAllowance {
    pub(super) fn new(config: &RunnerConfig) -> Self {
        Self {
            percent: config.cpu_percent_per_install,
            burst: Duration::from_millis(config.cpu_burst_ms_per_install),
        }
    }

    pub(super) fn open(self, now: Instant) -> CpuAccount {
        let level = Level { left_ns: signed_ns(self.burst), at: now };
        CpuAccount { allowance: self, level: Mutex::new(level), pace: Pace::new() }
    }
}

impl CpuAccount {
    /// Refuses an execution of an install that has had its time.
    pub(super) fn check(&self, now: Instant) -> Result<(), ExecuteError> {
        let left_ns = self.fill(now).0;
        if self.allowance.percent == 0 || left_ns > 0 {
            return Ok(());
        }
        let missing = Duration::from_nanos(left_ns.unsigned_abs() + 1);
        let retry_after = missing * 100 / self.allowance.percent;
        Err(ExecuteError::CpuSpent { percent: self.allowance.percent, retry_after })
    }

    /// Takes what the turns of an execution and its end have cost.
    pub(super) fn charge(&self, turns: Duration, end: Duration) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.left_ns = level.left_ns.saturating_sub(signed_ns(turns.saturating_add(end)));
        drop(level);
        // One that had no turn says nothing of how long others take.
        if !turns.is_zero() {
            self.pace.count(turns);
        }
    }

    /// Whether an execution is expected to cost little.
    pub(super) fn is_quick(&self) -> bool {
        self.pace.is_quick()
    }

    /// Notes what an execution that was expected to cost little had in its first turn.
    pub(super) fn note_first_turn(&self, spent: Duration) {
        self.pace.note_first_turn(spent);
    }

    /// Whether a new account would say the same.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.allowance.percent == 0 || self.fill(now).1
    }

    /// Adds what has come since; says what is left, and whether that is all there can be.
    fn fill(&self, now: Instant) -> (i64, bool) {
        let most = signed_ns(self.allowance.burst);
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(level.at);
        let come = passed.saturating_mul(self.allowance.percent) / 100;
        level.left_ns = level.left_ns.saturating_add(signed_ns(come)).min(most);
        level.at = level.at.max(now);
        (level.left_ns, level.left_ns == most)
    }
}

fn signed_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_secs(10);

    fn account(percent: u32, now: Instant) -> CpuAccount {
        CpuAllowance { percent, burst: BURST }.open(now)
    }

    #[test]
    fn a_burst_is_allowed_and_then_time_must_pass() {
        let now = Instant::now();
        let account = account(50, now);
        account.charge(Duration::from_secs(9), Duration::ZERO);
        assert!(account.check(now).is_ok());
        account.charge(Duration::from_secs(2), Duration::from_secs(1));

        let refused = account.check(now);

        let Err(ExecuteError::CpuSpent { percent: 50, retry_after }) = refused else {
            panic!("{refused:?}")
        };
        // Two seconds too many, at half a second each second.
        assert_eq!(retry_after.as_secs(), 4);
        assert!(account.check(now + Duration::from_millis(3_999)).is_err());
        assert!(account.check(now + Duration::from_millis(4_001)).is_ok());
    }

    #[test]
    fn what_is_not_used_is_not_kept_beyond_the_burst() {
        let now = Instant::now();
        let account = account(100, now);
        assert!(account.is_full(now));
        account.charge(Duration::from_secs(1), Duration::ZERO);
        assert!(!account.is_full(now));
        let later = now + Duration::from_hours(1);
        assert!(account.is_full(later));

        account.charge(BURST, Duration::ZERO);

        assert!(account.check(later).is_err());
    }

    #[test]
    fn without_a_percentage_there_is_no_limit() {
        let now = Instant::now();
        let account = account(0, now);

        account.charge(10 * BURST, Duration::ZERO);

        assert!(account.check(now).is_ok() && account.is_full(now));
    }
}
