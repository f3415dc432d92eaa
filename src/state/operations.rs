//! How many operations an install may make: so many a second, and some seconds' worth at once.
//!
//! The quotas bound what an install has; this bounds how much of the writing thread and of
//! the disk it takes from the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::gcra::{Quota, nanoseconds};
use crate::model::InstallId;

/// Seconds whose operations may come at once.
const BURST_S: u32 = 5;

/// An install asks for more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an install may make {per_s} operations on what it keeps in a second; there may be more in \
     {} ms", .wait.as_millis() + 1
)]
pub struct TooManyOperations {
    pub per_s: u32,
    pub wait: Duration,
}

/// Who is how far.
pub(super) struct Operations {
    per_s: u32,
    installs: Mutex<HashMap<InstallId, Paced>>,
}

#[derive(Clone, Copy, Default)]
struct Paced {
    /// When it is even, in nanoseconds since 1970.
    even_ns: i64,
    /// Operations that were refused since it was last asked.
    refused: u64,
}

impl Operations {
    /// No limit where `per_s` is 0.
    pub(super) fn new(per_s: u32) -> Self {
        Self { per_s, installs: Mutex::default() }
    }

    /// Counts operations, all of them or none. More than may come at once are as many as that.
    pub(super) fn take(
        &self,
        install: InstallId,
        operations: usize,
        now: Timestamp,
    ) -> Result<(), TooManyOperations> {
        if self.per_s == 0 {
            return Ok(());
        }
        let mut installs = self.installs.lock().unwrap_or_else(PoisonError::into_inner);
        let paced = installs.entry(install).or_default();
        let operations = u32::try_from(operations).unwrap_or(u32::MAX);
        match self.quota().next_of(operations, paced.even_ns, nanoseconds(now)) {
            Ok(even_ns) => paced.even_ns = even_ns,
            Err(wait) => {
                paced.refused += u64::from(operations);
                return Err(TooManyOperations { per_s: self.per_s, wait });
            }
        }
        Ok(())
    }

    /// Forgets who is even, and gives how many operations of whom were refused since the last
    /// time.
    pub(super) fn settle(&self, now: Timestamp) -> Vec<(InstallId, u64)> {
        let mut installs = self.installs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = Vec::new();
        installs.retain(|install, paced| {
            if paced.refused > 0 {
                refused.push((*install, std::mem::take(&mut paced.refused)));
            }
            paced.even_ns > nanoseconds(now)
        });
        refused
    }

    fn quota(&self) -> Quota {
        let (minute, burst) = (self.per_s.saturating_mul(60), self.per_s.saturating_mul(BURST_S));
        Quota::new(minute, burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
    }

    #[test]
    fn an_install_has_some_seconds_worth_at_once_and_then_so_many_a_second() {
        let operations = Operations::new(10);
        let install = InstallId::random();
        let taken =
            |ms| (0..100).take_while(|_| operations.take(install, 1, at(ms)).is_ok()).count();

        assert_eq!(taken(0), 50);
        assert_eq!(taken(1_000), 10);
        let refused = operations.take(install, 1, at(1_000)).unwrap_err();
        assert_eq!(refused, TooManyOperations { per_s: 10, wait: Duration::from_millis(100) });
        assert!(operations.take(InstallId::random(), 1, at(1_000)).is_ok(), "a neighbor");
    }

    #[test]
    fn a_batch_is_admitted_whole_or_not_and_never_never() {
        let operations = Operations::new(10);
        let install = InstallId::random();

        assert!(operations.take(install, 1_000, at(0)).is_ok());
        assert!(operations.take(install, 1_000, at(4_999)).is_err());
        assert!(operations.take(install, 1_000, at(5_000)).is_ok());
    }

    #[test]
    fn what_was_refused_is_told_once_and_whoever_is_even_is_forgotten() {
        let operations = Operations::new(1);
        let install = InstallId::random();
        for _ in 0..7 {
            operations.take(install, 1, at(0)).ok();
        }

        assert_eq!(operations.settle(at(0)), [(install, 2)]);
        assert_eq!(operations.settle(at(4_000)), []);
        assert_eq!(operations.installs.lock().unwrap().len(), 1);
        operations.settle(at(5_000));
        assert!(operations.installs.lock().unwrap().is_empty());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let operations = Operations::new(0);

        assert!((0..10_000).all(|_| operations.take(InstallId::random(), 9, at(0)).is_ok()));
        assert!(operations.installs.lock().unwrap().is_empty());
    }
}
