//! How often somebody may send a bundle or a part of one.
//!
//! By the rule of `gcra`, with a minute's worth at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::App;
use crate::config::{UploadsConfig, counted_as};
use crate::gcra::{Quota, nanoseconds, wait_s};
use crate::model::{Principal, TenantId};

/// Callers remembered at most; those that are even again are forgotten first.
const MAX_REMEMBERED: usize = 10_000;

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rated {
    /// It sends, begins or publishes a bundle.
    Publish,
    /// It sends a part of an upload.
    Part,
}

/// The caller sends too often.
#[derive(Debug, thiserror::Error)]
#[error("{whose} may send {limit_per_minute} {what} a minute")]
pub struct RateLimited {
    pub whose: &'static str,
    pub what: &'static str,
    pub limit_per_minute: u32,
    pub retry_after_s: u64,
}

/// The limits, and who is how far.
pub struct RateLimits {
    publishes: Rate<(TenantId, String)>,
    publishes_of_address: Rate<IpAddr>,
    parts: Rate<(TenantId, String)>,
}

struct Rate<K> {
    quota: Quota,
    /// When each caller is even, in nanoseconds since 1970.
    even_ns: Mutex<HashMap<K, i64>>,
}

impl RateLimits {
    /// The limits of the configuration, with nobody near them.
    pub fn new(config: &UploadsConfig) -> Self {
        Self {
            publishes: Rate::new(config.publishes_per_minute),
            publishes_of_address: Rate::new(config.publishes_per_minute_per_address),
            parts: Rate::new(config.parts_per_minute),
        }
    }
}

impl App {
    /// Counts a request, or refuses it.
    pub fn check_rate(
        &self,
        rated: Rated,
        principal: &Principal,
        address: Option<IpAddr>,
    ) -> Result<(), RateLimited> {
        let (limits, now) = (&self.rate_limits, self.clock.now());
        let caller = (principal.tenant(), principal.actor().to_string());
        let refusal = |whose, what, quota: Quota, wait: Duration| RateLimited {
            whose,
            what,
            limit_per_minute: quota.per_minute(),
            retry_after_s: wait_s(wait),
        };
        match rated {
            Rated::Part => limits.parts.count(caller, now).map_err(|wait| {
                refusal("one caller", "parts of uploads", limits.parts.quota, wait)
            }),
            Rated::Publish => {
                let (own, shared) = (&limits.publishes, &limits.publishes_of_address);
                let address = address.map(counted_as);
                if let Some(address) = address {
                    let counted = shared.count(address, now);
                    counted
                        .map_err(|wait| refusal("one address", "bundles", shared.quota, wait))?;
                }
                own.count(caller, now).map_err(|wait| {
                    // Others behind the address are not to wait for a caller who may not send.
                    if let Some(address) = address {
                        shared.give_back(&address);
                    }
                    refusal("one caller", "bundles", own.quota, wait)
                })
            }
        }
    }
}

impl<K: Eq + Hash + Clone> Rate<K> {
    fn new(per_minute: u32) -> Self {
        Self { quota: Quota::new(per_minute, per_minute), even_ns: Mutex::default() }
    }

    /// Counts one; or says how long to wait until one more is allowed.
    fn count(&self, key: K, now: Timestamp) -> Result<(), Duration> {
        let now_ns = nanoseconds(now);
        let mut even_ns = self.even_ns.lock().unwrap_or_else(PoisonError::into_inner);
        let even = even_ns.get(&key).copied().unwrap_or(now_ns);
        let next = self.quota.next(even, now_ns)?;
        if even_ns.len() >= MAX_REMEMBERED {
            even_ns.retain(|_, even| *even > now_ns);
            let nearest = even_ns.iter().min_by_key(|(_, even)| **even).map(|(key, _)| key.clone());
            if let Some(nearest) = nearest.filter(|_| even_ns.len() >= MAX_REMEMBERED) {
                even_ns.remove(&nearest);
            }
        }
        even_ns.insert(key, next);
        Ok(())
    }

    /// Takes back one that was counted and does not come.
    fn give_back(&self, key: &K) {
        let mut even_ns = self.even_ns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(even) = even_ns.get_mut(key) {
            *even -= self.quota.interval_ns();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_at_a_time() {
        let rate = Rate::new(6);
        for _ in 0..6 {
            rate.count("ada", at(0)).unwrap();
        }

        assert_eq!(rate.count("ada", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(rate.count("ada", at(9_000)), Err(Duration::from_secs(1)));
        assert_eq!(rate.count("ada", at(10_000)), Ok(()));
        assert!(rate.count("ada", at(10_000)).is_err());
        assert_eq!(rate.count("bob", at(0)), Ok(()));
    }

    #[test]
    fn who_was_refused_does_not_wait_longer_for_it() {
        let rate = Rate::new(1);
        rate.count("ada", at(0)).unwrap();
        for _ in 0..10 {
            rate.count("ada", at(1)).unwrap_err();
        }

        assert_eq!(rate.count("ada", at(60_000)), Ok(()));
    }

    #[test]
    fn a_crowd_is_not_remembered_for_ever() {
        let rate = Rate::new(60);
        for caller in 0..MAX_REMEMBERED + 10 {
            rate.count(caller, at(0)).unwrap();
        }

        assert!(rate.even_ns.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
