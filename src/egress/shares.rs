//! How much of the way out one install may have, and one tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::error::EgressError;
use crate::config::EgressConfig;
use crate::model::{InstallId, InstallLabels, TenantId};

const DAY_S: i64 = 24 * 60 * 60;

/// The calls under way, and the bytes of the day, of every install that calls.
pub(super) struct Shares {
    all: Arc<AtomicUsize>,
    installs: Mutex<HashMap<InstallId, Arc<Share>>>,
    /// The calls under way of every tenant that has called.
    tenants: Mutex<HashMap<TenantId, Arc<AtomicUsize>>>,
    limit: usize,
    limit_per_tenant: usize,
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

/// A call that counts until it is dropped: until nothing of it goes on any more, the search
/// for an address that nobody waits for included.
pub(super) struct Place {
    all: Arc<AtomicUsize>,
    tenant: Arc<AtomicUsize>,
    share: Arc<Share>,
}

/// Counts the bytes of an install.
pub(super) struct Tally {
    share: Arc<Share>,
    bytes_per_day: u64,
}

impl Shares {
    pub(super) fn new(config: &EgressConfig) -> Self {
        Self {
            all: Arc::default(),
            installs: Mutex::default(),
            tenants: Mutex::default(),
            limit: config.parallel,
            limit_per_tenant: config.parallel_per_tenant,
            limit_per_install: config.parallel_per_install,
            bytes_per_day: config.bytes_per_install_per_day,
        }
    }

    /// The calls of all installs that go on.
    pub(super) fn in_flight(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// A place for one more call, if there is one. Who gets none is told at once: a call that
    /// waits for a place keeps an execution and its memory.
    pub(super) fn enter(
        &self,
        caller: &InstallLabels,
        now: Timestamp,
    ) -> Result<(Place, Tally), EgressError> {
        let share = self.share(caller.install, day_of(now));
        if self.bytes_per_day > 0 && share.bytes.load(Relaxed) >= self.bytes_per_day {
            return Err(EgressError::Quota(self.bytes_per_day));
        }
        if !take(&share.calls, self.limit_per_install) {
            return Err(EgressError::InstallBusy(self.limit_per_install));
        }
        let tenant = self.tenant(&caller.tenant);
        if !take(&tenant, self.limit_per_tenant) {
            share.calls.fetch_sub(1, Relaxed);
            return Err(EgressError::TenantBusy(self.limit_per_tenant));
        }
        if !take(&self.all, self.limit) {
            share.calls.fetch_sub(1, Relaxed);
            tenant.fetch_sub(1, Relaxed);
            return Err(EgressError::Busy(self.limit));
        }
        let tally = Tally { share: Arc::clone(&share), bytes_per_day: self.bytes_per_day };
        Ok((Place { all: Arc::clone(&self.all), tenant, share }, tally))
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<AtomicUsize> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = tenants.get(tenant) {
            return Arc::clone(calls);
        }
        tenants.retain(|_, calls| calls.load(Relaxed) > 0 || Arc::strong_count(calls) > 1);
        Arc::clone(tenants.entry(tenant.clone()).or_default())
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

impl Tally {
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
        self.tenant.fetch_sub(1, Relaxed);
        self.all.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        Shares::new(&EgressConfig {
            parallel: 4,
            parallel_per_tenant: 3,
            parallel_per_install: 2,
            bytes_per_install_per_day: 100,
            ..EgressConfig::default()
        })
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY_S + 5).unwrap()
    }

    fn install_of(tenant: &str) -> InstallLabels {
        let (tenant, name) = (tenant.parse().unwrap(), "com.example.a".parse().unwrap());
        InstallLabels::of(tenant, name, InstallId::random(), &"1.0.0".parse().unwrap())
    }

    #[test]
    fn calls_at_once_are_counted_for_an_install_a_tenant_and_for_all() {
        let shares = shares();
        let [a, b, c] = ["one", "one", "two"].map(install_of);
        let enter = |install| shares.enter(install, at(1));
        let first = enter(&a).unwrap();
        let _second = enter(&a).unwrap();

        assert!(matches!(enter(&a).err(), Some(EgressError::InstallBusy(2))));
        let _third = enter(&b).unwrap();
        assert!(matches!(enter(&b).err(), Some(EgressError::TenantBusy(3))));
        let _fourth = enter(&c).unwrap();
        assert!(matches!(enter(&c).err(), Some(EgressError::Busy(4))));

        drop(first);
        let again = enter(&b).unwrap();
        drop(again);
        enter(&c).unwrap();
    }

    #[test]
    fn the_bytes_of_a_day_are_those_of_one_install() {
        let shares = shares();
        let [a, b] = ["one", "one"].map(install_of);
        let (place, tally) = shares.enter(&a, at(1)).unwrap();
        tally.count(100).unwrap();
        assert!(matches!(tally.count(1), Err(EgressError::Quota(100))));
        drop(place);

        assert!(matches!(shares.enter(&a, at(1)).err(), Some(EgressError::Quota(100))));
        shares.enter(&b, at(1)).unwrap().1.count(100).unwrap();
        shares.enter(&a, at(2)).unwrap().1.count(100).unwrap();
    }

    #[test]
    fn those_that_called_before_and_do_not_call_now_are_forgotten() {
        let shares = shares();
        for tenant in ["a1", "a2", "a3", "a4", "a5"] {
            shares.enter(&install_of(tenant), at(1)).unwrap();
        }

        shares.enter(&install_of("b1"), at(2)).unwrap();

        assert_eq!(shares.installs.lock().unwrap().len(), 1);
        assert_eq!(shares.tenants.lock().unwrap().len(), 1);
    }
}
