//! How much of the way out one install may have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::error::EgressError;
use crate::config::EgressConfig;
use crate::model::InstallId;

const DAY_S: i64 = 24 * 60 * 60;

/// The calls under way, and the bytes of the day, of every install that calls.
pub(super) struct Shares {
    all: Arc<AtomicUsize>,
    installs: Mutex<HashMap<InstallId, Arc<Share>>>,
    limit: usize,
    limit_per_install: usize,
    bytes_per_day: u64,
}

/// What one install has of it.
#[derive(Default)]
struct Share {
    calls: AtomicUsize,
    /// The day that the bytes are of, in days since 1970.
    day: AtomicU64,
    bytes: AtomicU64,
}

/// A call that counts until it is dropped.
pub(super) struct Place {
    all: Arc<AtomicUsize>,
    share: Arc<Share>,
    bytes_per_day: u64,
}

impl Shares {
    pub(super) fn new(config: &EgressConfig) -> Self {
        Self {
            all: Arc::default(),
            installs: Mutex::default(),
            limit: config.parallel,
            limit_per_install: config.parallel_per_install,
            bytes_per_day: config.bytes_per_install_per_day,
        }
    }

    /// A place for one more call, if there is one. Who gets none is told at once: a call that
    /// waits for a place keeps an execution and its memory.
    pub(super) fn enter(&self, install: InstallId, now: Timestamp) -> Result<Place, EgressError> {
        let share = self.share(install, day_of(now));
        if self.bytes_per_day > 0 && share.bytes.load(Relaxed) >= self.bytes_per_day {
            return Err(EgressError::Quota(self.bytes_per_day));
        }
        if !take(&share.calls, self.limit_per_install) {
            return Err(EgressError::InstallBusy(self.limit_per_install));
        }
        if !take(&self.all, self.limit) {
            share.calls.fetch_sub(1, Relaxed);
            return Err(EgressError::Busy(self.limit));
        }
        Ok(Place { all: Arc::clone(&self.all), share, bytes_per_day: self.bytes_per_day })
    }

    fn share(&self, install: InstallId, day: u64) -> Arc<Share> {
        let mut installs = self.installs.lock().unwrap_or_else(PoisonError::into_inner);
        if !installs.contains_key(&install) {
            // Those of an earlier day have nothing that is still to be known.
            installs
                .retain(|_, share| share.day.load(Relaxed) == day || share.calls.load(Relaxed) > 0);
        }
        let share = Arc::clone(installs.entry(install).or_default());
        if share.day.swap(day, Relaxed) != day {
            share.bytes.store(0, Relaxed);
        }
        share
    }
}

/// Counts one more unless there are `limit`.
fn take(count: &AtomicUsize, limit: usize) -> bool {
    count.fetch_update(Relaxed, Relaxed, |count| (count < limit).then_some(count + 1)).is_ok()
}

fn day_of(now: Timestamp) -> u64 {
    // Before 1970 there were none.
    u64::try_from(now.as_second() / DAY_S).unwrap_or_default()
}

impl Place {
    /// Counts bytes that went out or came in.
    pub(super) fn count(&self, bytes: u64) -> Result<(), EgressError> {
        let before = self.share.bytes.fetch_add(bytes, Relaxed);
        let over = self.bytes_per_day > 0 && before.saturating_add(bytes) > self.bytes_per_day;
        if over { Err(EgressError::Quota(self.bytes_per_day)) } else { Ok(()) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.share.calls.fetch_sub(1, Relaxed);
        self.all.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        Shares::new(&EgressConfig {
            parallel: 3,
            parallel_per_install: 2,
            bytes_per_install_per_day: 100,
            ..EgressConfig::default()
        })
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY_S + 5).unwrap()
    }

    #[test]
    fn calls_at_once_are_counted_for_an_install_and_for_all() {
        let shares = shares();
        let [a, b] = [InstallId::random(), InstallId::random()];
        let first = shares.enter(a, at(1)).unwrap();
        let _second = shares.enter(a, at(1)).unwrap();

        assert!(matches!(shares.enter(a, at(1)), Err(EgressError::InstallBusy(2))));
        let _third = shares.enter(b, at(1)).unwrap();
        assert!(matches!(shares.enter(b, at(1)), Err(EgressError::Busy(3))));

        drop(first);
        shares.enter(b, at(1)).unwrap();
    }

    #[test]
    fn the_bytes_of_a_day_are_those_of_one_install() {
        let shares = shares();
        let [a, b] = [InstallId::random(), InstallId::random()];
        let place = shares.enter(a, at(1)).unwrap();
        place.count(100).unwrap();
        assert!(matches!(place.count(1), Err(EgressError::Quota(100))));
        drop(place);

        assert!(matches!(shares.enter(a, at(1)), Err(EgressError::Quota(100))));
        shares.enter(b, at(1)).unwrap().count(100).unwrap();
        shares.enter(a, at(2)).unwrap().count(100).unwrap();
    }

    #[test]
    fn installs_that_called_on_another_day_are_forgotten() {
        let shares = shares();
        for _ in 0..10 {
            shares.enter(InstallId::random(), at(1)).unwrap();
        }

        shares.enter(InstallId::random(), at(2)).unwrap();

        assert_eq!(shares.installs.lock().unwrap().len(), 1);
    }
}
