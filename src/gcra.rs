//! The generic cell rate algorithm: a rate, and how much of it may come at once.
//!
//! Of each caller there is one number, the time at which the caller would be even
//! if calls came evenly spaced. Whoever is further ahead than a burst waits. The
//! time is the application's own, so that tests need not: `governor` would bring
//! a clock and a dozen crates for these lines.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;

/// How many calls there may be over time, and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    per_minute: u32,
    /// Calls that may come at once; at least 1.
    burst: i64,
    interval_ns: i64,
}

/// What is left to somebody after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub remaining: u32,
    /// Seconds until one more is left than now.
    pub more_in_s: u32,
    /// Less than half of a burst is left.
    pub is_low: bool,
}

/// How far somebody is: 8 bytes without a lock.
#[derive(Debug, Default)]
pub struct Pace(AtomicI64);

impl Quota {
    /// `per_minute` calls a minute, `burst` of them at once; none of either is one.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let per_minute = per_minute.max(1);
        let interval_ns = MINUTE_NS / i64::from(per_minute);
        Self { per_minute, burst: burst.max(1).into(), interval_ns }
    }

    /// Calls in a minute.
    pub const fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// Calls that may come at once.
    pub const fn burst(self) -> i64 {
        self.burst
    }

    /// Nanoseconds by which each call moves the time at which its caller is even.
    pub const fn interval_ns(self) -> i64 {
        self.interval_ns
    }

    /// Seconds in which a whole burst is allowed again.
    pub const fn window_s(self) -> i64 {
        seconds(self.most_ahead_ns())
    }

    const fn most_ahead_ns(self) -> i64 {
        self.interval_ns * self.burst
    }

    /// Counts one call of somebody who is even at `even_ns`: when they are even
    /// after it, or how long they wait for it.
    pub fn next(self, even_ns: i64, now_ns: i64) -> Result<i64, Duration> {
        self.next_of(1, even_ns, now_ns)
    }

    /// [`Quota::next`] for several calls, all of them or none; more than a burst are as a burst.
    pub fn next_of(self, calls: u32, even_ns: i64, now_ns: i64) -> Result<i64, Duration> {
        let most = self.most_ahead_ns();
        let mut ahead = even_ns.saturating_sub(now_ns).max(0);
        // Nobody gets there by calling: the clock was set back, and nobody is to
        // wait until it has caught up.
        if ahead > most + SECOND_NS {
            ahead = 0;
        }
        let next = ahead + self.interval_ns * self.burst.min(calls.into());
        match u64::try_from(next - most) {
            Ok(wait @ 1..) => Err(Duration::from_nanos(wait)),
            Ok(0) | Err(_) => Ok(now_ns + next),
        }
    }

    fn standing(self, even_ns: i64, now_ns: i64) -> Standing {
        let free = self.most_ahead_ns() - even_ns.saturating_sub(now_ns);
        let to_next = self.interval_ns - free.rem_euclid(self.interval_ns);
        let remaining = free / self.interval_ns;
        Standing {
            remaining: u32::try_from(remaining).unwrap_or(0),
            more_in_s: u32::try_from(seconds(to_next)).unwrap_or(u32::MAX),
            is_low: remaining * 2 < self.burst,
        }
    }
}

impl Pace {
    /// Counts one call, or says how long to wait for it.
    pub fn take(&self, quota: Quota, now_ns: i64) -> Result<Standing, Duration> {
        let mut even = self.0.load(Relaxed);
        loop {
            let next = quota.next(even, now_ns)?;
            match self.0.compare_exchange_weak(even, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(quota.standing(next, now_ns)),
                Err(found) => even = found,
            }
        }
    }

    /// Takes back a call that was counted and is not made.
    pub fn give_back(&self, quota: Quota) {
        self.0.fetch_sub(quota.interval_ns, Relaxed);
    }
}

/// Nanoseconds since 1970, until the year 2262.
pub fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX / 2)
}

/// Whole seconds, rounded up.
const fn seconds(ns: i64) -> i64 {
    (ns + SECOND_NS - 1) / SECOND_NS
}

/// Whole seconds of a wait, rounded up: whoever comes back then is let through.
pub fn wait_s(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six a minute: one every ten seconds, `burst` at once.
    fn quota(burst: u32) -> Quota {
        Quota::new(6, burst)
    }

    fn at(seconds: i64) -> i64 {
        1_790_000_000 * SECOND_NS + seconds * SECOND_NS
    }

    /// What is left after each call that is let through at a time, at most ten.
    fn left(pace: &Pace, quota: Quota, now_ns: i64) -> Vec<u32> {
        let taken = (0..10).map_while(|_| pace.take(quota, now_ns).ok());
        taken.map(|standing| standing.remaining).collect()
    }

    #[test]
    fn a_burst_may_come_at_once_and_then_one_at_a_time() {
        let pace = Pace::default();

        assert_eq!(left(&pace, quota(3), at(0)), [2, 1, 0]);
        assert_eq!(pace.take(quota(3), at(0)), Err(Duration::from_secs(10)));
        assert_eq!(pace.take(quota(3), at(10) - 1), Err(Duration::from_nanos(1)));
        assert_eq!(left(&pace, quota(3), at(10)), [0]);
        assert_eq!(left(&pace, quota(3), at(30)), [1, 0]);
    }

    #[test]
    fn whoever_rests_has_one_burst_and_no_more() {
        let pace = Pace::default();
        left(&pace, quota(3), at(0));

        assert_eq!(left(&pace, quota(3), at(86_400)), [2, 1, 0]);
    }

    #[test]
    fn a_refusal_costs_nothing() {
        let pace = Pace::default();
        left(&pace, quota(1), at(0));
        for _ in 0..100 {
            pace.take(quota(1), at(9)).unwrap_err();
        }

        assert_eq!(left(&pace, quota(1), at(10)), [0]);
    }

    #[test]
    fn a_call_that_is_given_back_can_be_made_again() {
        let pace = Pace::default();
        left(&pace, quota(3), at(0));

        pace.give_back(quota(3));

        assert_eq!(left(&pace, quota(3), at(0)), [0]);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let pace = Pace::default();
        left(&pace, quota(3), at(86_400));

        assert_eq!(left(&pace, quota(3), at(0)), [2, 1, 0]);
    }

    #[test]
    fn a_standing_says_when_there_is_more() {
        let pace = Pace::default();
        let standing = |remaining, more_in_s, is_low| Ok(Standing { remaining, more_in_s, is_low });

        assert_eq!(pace.take(quota(3), at(0)), standing(2, 10, false));
        assert_eq!(pace.take(quota(3), at(4)), standing(1, 6, true));
        assert_eq!((quota(3).window_s(), Quota::new(7, 1).window_s()), (30, 9));
    }

    #[test]
    fn the_largest_rates_do_not_overflow() {
        let quota = Quota::new(60_000_000, u32::MAX);

        assert!(Pace::default().take(quota, at(0)).is_ok());
        assert!(Pace::default().take(Quota::new(0, 0), i64::MAX / 2).is_ok());
    }
}
