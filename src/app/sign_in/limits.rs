//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::hash::Hash;
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
/// Accounts and addresses remembered at most: beyond that half of them goes.
const MAX_REMEMBERED: usize = 10_000;

/// Counts sign-ins that failed or are under way, per account, and all, per address.
#[derive(Default)]
pub struct SignInLimits {
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    /// How many, and when the last one was.
    accounts: HashMap<OperatorName, (u32, Timestamp)>,
    /// How many, and since when.
    addresses: HashMap<IpAddr, (u32, Timestamp)>,
}

/// A try that counts as failed until it turns out otherwise: tries at the same time do not
/// all pass before the first of them is known to be wrong.
#[derive(Debug)]
#[must_use]
pub(super) struct CountedTry {
    at: Timestamp,
    /// When the one before was.
    before: Option<Timestamp>,
}

impl SignInLimits {
    /// Refuses a try that comes too early; counts it otherwise.
    pub(super) fn begin(
        &self,
        name: &OperatorName,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<CountedTry, SignInError> {
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
        if let Some(network) = address.map(network) {
            make_room(&mut tries.addresses, &network, |(_, start)| (0, start));
            let (count, start) = tries.addresses.entry(network).or_insert((0, now));
            let end = *start + SignedDuration::from_mins(1);
            if now >= end {
                (*count, *start) = (0, now);
            } else if *count >= TRIES_PER_MINUTE {
                return Err(too_many(end, now));
            }
            *count += 1;
        }
        // Else tries with invented names would have one under attack forgotten.
        make_room(&mut tries.accounts, name, |tries| tries);
        let before = tries.accounts.get(name).map(|(_, last)| *last);
        let (count, last) = tries.accounts.entry(name.clone()).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
        Ok(CountedTry { at: now, before })
    }

    /// Does not count a try for its account whose password was never looked at.
    pub(super) fn take_back(&self, name: &OperatorName, counted: &CountedTry) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, last)) = tries.accounts.get_mut(name) else { return };
        *count = count.saturating_sub(1);
        if *last == counted.at {
            *last = counted.before.unwrap_or(*last);
        }
        if *count == 0 {
            tries.accounts.remove(name);
        }
    }

    pub(super) fn succeeded(&self, name: &OperatorName) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.accounts.remove(name);
    }
}

/// Forgets the half that is worth the least where there is no room for `key`: half, so that not
/// every further try has to look through all of what is remembered.
fn make_room<K: Eq + Hash>(
    remembered: &mut HashMap<K, (u32, Timestamp)>,
    key: &K,
    worth: impl Fn((u32, Timestamp)) -> (u32, Timestamp),
) {
    if remembered.len() < MAX_REMEMBERED || remembered.contains_key(key) {
        return;
    }
    let mut worths: Vec<_> = remembered.values().map(|tries| worth(*tries)).collect();
    let (_, middle, _) = worths.select_nth_unstable(MAX_REMEMBERED / 2 - 1);
    // Of those that are worth as much as the middle one, no more than make up the half.
    let mut left = MAX_REMEMBERED / 2;
    remembered.retain(|_, tries| {
        let goes = left > 0 && worth(*tries) <= *middle;
        left -= usize::from(goes);
        !goes
    });
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
            let _failed = limits.begin(&name, None, at(0)).unwrap();
        }

        assert!(limits.begin(&name, None, at(1)).is_err());
        assert!(limits.begin(&name, None, at(2)).is_ok());
        assert!(limits.begin(&name, None, at(5)).is_err());
        assert!(limits.begin(&name, None, at(6)).is_ok());
        limits.succeeded(&name);
        assert!(limits.begin(&name, None, at(6)).is_ok());
    }

    #[test]
    fn tries_from_several_networks_at_once_are_no_more() {
        let limits = SignInLimits::default();
        let name: OperatorName = "ada".parse().unwrap();
        let from = |network: u8| Some(IpAddr::from([192, 0, network, 1]));

        let begun = (0..9).filter(|&network| limits.begin(&name, from(network), at(0)).is_ok());

        assert_eq!(begun.count(), 5);
    }

    #[test]
    fn a_try_that_was_not_looked_at_leaves_the_wait_as_it_was() {
        let limits = SignInLimits::default();
        let name: OperatorName = "ada".parse().unwrap();
        let first = limits.begin(&name, None, at(0)).unwrap();
        limits.take_back(&name, &first);
        assert!(limits.tries.lock().unwrap().accounts.is_empty());
        for _ in 0..5 {
            let _failed = limits.begin(&name, None, at(0)).unwrap();
        }

        let unchecked = limits.begin(&name, None, at(2)).unwrap();
        limits.take_back(&name, &unchecked);

        assert!(limits.begin(&name, None, at(2)).is_ok());
    }

    #[test]
    fn what_is_remembered_has_an_end_and_the_older_half_goes() {
        let limits = SignInLimits::default();
        let begin = |number: u32| {
            let name = format!("n{number}").parse().unwrap();
            let address = std::net::Ipv4Addr::from(number << 8);
            limits.begin(&name, Some(address.into()), at(number.into())).is_ok()
        };

        assert!((0..=10_000).all(begin));

        let tries = limits.tries.lock().unwrap();
        assert_eq!((tries.accounts.len(), tries.addresses.len()), (5_001, 5_001));
        let is_known = |name: &str| tries.accounts.contains_key(&name.parse().unwrap());
        assert!(is_known("n10000") && is_known("n5000") && !is_known("n4999"));
    }

    #[test]
    fn tries_with_other_names_do_not_make_an_account_forgotten() {
        let limits = SignInLimits::default();
        let ada: OperatorName = "ada".parse().unwrap();
        for _ in 0..5 {
            let _failed = limits.begin(&ada, None, at(0)).unwrap();
        }
        for number in 1..=10_000 {
            let name = format!("n{number}").parse().unwrap();
            let now = Timestamp::from_microsecond(number).unwrap();
            let _failed = limits.begin(&name, None, now).unwrap();
        }

        assert_eq!(limits.tries.lock().unwrap().accounts.len(), 5_001);
        assert!(limits.begin(&ada, None, at(1)).is_err());
    }

    #[test]
    fn one_network_gets_twenty_tries_a_minute() {
        let limits = SignInLimits::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for last in 0..20 {
            let name = format!("n{last}").parse().unwrap();
            let _counted = limits.begin(&name, address(last), at(0)).unwrap();
        }
        let name = "ada".parse().unwrap();

        assert!(limits.begin(&name, address(99), at(59)).is_err());
        assert!(limits.begin(&name, Some(IpAddr::from([198, 51, 100, 1])), at(59)).is_ok());
        assert!(limits.begin(&name, address(99), at(60)).is_ok());
    }
}
