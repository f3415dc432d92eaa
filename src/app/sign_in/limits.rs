//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::SignInError;
use crate::model::OperatorName;

/// Free tries per account before each further one has to wait.
const FREE_TRIES: u32 = 5;
/// The longest wait between two tries, in seconds.
const MAX_WAIT_S: i64 = 15 * 60;
/// Tries per minute from one address.
const TRIES_PER_MINUTE: u32 = 20;
/// Accounts and addresses remembered at most: beyond that the oldest go.
const MAX_REMEMBERED: usize = 10_000;

/// Counts failed sign-ins, per account and per address.
#[derive(Default)]
pub struct SignInLimits {
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    accounts: HashMap<OperatorName, (u32, Timestamp)>,
    addresses: HashMap<IpAddr, (u32, Timestamp)>,
}

impl SignInLimits {
    /// Refuses a try that comes too early; counts it otherwise.
    pub(super) fn begin(
        &self,
        name: &OperatorName,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((failed, last)) = tries.accounts.get(name)
            && let Some(over) = failed.checked_sub(FREE_TRIES)
        {
            let wait = 2_i64.saturating_pow(over + 1).min(MAX_WAIT_S);
            let next = *last + SignedDuration::from_secs(wait);
            if now < next {
                return Err(too_many(next, now));
            }
        }
        let Some(network) = address.map(network) else { return Ok(()) };
        if tries.addresses.len() >= MAX_REMEMBERED {
            tries.addresses.retain(|_, (_, start)| now < *start + SignedDuration::from_mins(1));
        }
        let (count, start) = tries.addresses.entry(network).or_insert((0, now));
        let end = *start + SignedDuration::from_mins(1);
        if now >= end {
            (*count, *start) = (0, now);
        } else if *count >= TRIES_PER_MINUTE {
            return Err(too_many(end, now));
        }
        *count += 1;
        Ok(())
    }

    pub(super) fn failed(&self, name: &OperatorName, now: Timestamp) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.accounts.len() >= MAX_REMEMBERED {
            let old = now - SignedDuration::from_secs(MAX_WAIT_S);
            tries.accounts.retain(|_, (_, last)| *last > old);
        }
        let (count, last) = tries.accounts.entry(name.clone()).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
    }

    pub(super) fn succeeded(&self, name: &OperatorName) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.accounts.remove(name);
    }
}

/// One bucket per /24 and /64: an attacker owns whole networks.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::from(segments)
        }
    }
}

fn too_many(next: Timestamp, now: Timestamp) -> SignInError {
    let seconds = next.duration_since(now).as_secs().max(0) + 1;
    SignInError::TooManyTries { retry_after_s: seconds.unsigned_abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn after_five_failures_each_try_waits_longer() {
        let limits = SignInLimits::default();
        let name: OperatorName = "ada".parse().unwrap();
        for _ in 0..5 {
            limits.begin(&name, None, at(0)).unwrap();
            limits.failed(&name, at(0));
        }

        assert!(limits.begin(&name, None, at(1)).is_err());
        assert!(limits.begin(&name, None, at(2)).is_ok());
        limits.failed(&name, at(2));
        assert!(limits.begin(&name, None, at(5)).is_err());
        assert!(limits.begin(&name, None, at(6)).is_ok());
        limits.succeeded(&name);
        assert!(limits.begin(&name, None, at(6)).is_ok());
    }

    #[test]
    fn one_network_gets_twenty_tries_a_minute() {
        let limits = SignInLimits::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for last in 0..20 {
            let name = format!("n{last}").parse().unwrap();
            limits.begin(&name, address(last), at(0)).unwrap();
        }
        let name = "ada".parse().unwrap();

        assert!(limits.begin(&name, address(99), at(59)).is_err());
        assert!(limits.begin(&name, Some(IpAddr::from([198, 51, 100, 1])), at(59)).is_ok());
        assert!(limits.begin(&name, address(99), at(60)).is_ok());
    }
}
