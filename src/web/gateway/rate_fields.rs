//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
//!
//! Both are lists of structured fields: of each rate its name, then `q` calls in
//! `w` seconds, or `r` calls left, and `t` seconds until there are more.

use axum::http::{HeaderName, HeaderValue};
use sfv::{KeyRef, ListSerializer, StringRef, integer, key_ref, string_ref};

use crate::app::call_rates::{CallPolicy, CallRates, Standings, TooManyCalls};

pub(in crate::web) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(in crate::web) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const QUOTA: &KeyRef = key_ref("q");
const WINDOW: &KeyRef = key_ref("w");
const REMAINING: &KeyRef = key_ref("r");
const RESET: &KeyRef = key_ref("t");

/// The rates as configured; none without any.
pub(in crate::web) fn policies(rates: &CallRates) -> Option<HeaderValue> {
    let quotas = rates.quotas();
    list(
        quotas
            .map(|(policy, quota)| (policy, [(QUOTA, quota.burst()), (WINDOW, quota.window_s())])),
    )
}

/// What is left.
pub(super) fn state(standings: &Standings) -> Option<HeaderValue> {
    let each = standings.each();
    list(each.map(|(policy, left)| {
        (policy, [(REMAINING, left.remaining.into()), (RESET, left.more_in_s.into())])
    }))
}

/// That nothing is left.
pub(in crate::web) fn refused(refused: &TooManyCalls) -> Option<HeaderValue> {
    let wait = i64::try_from(refused.retry_after_s).unwrap_or(i64::MAX);
    list([(refused.policy, [(REMAINING, 0), (RESET, wait)])].into_iter())
}

fn list<'a>(
    members: impl Iterator<Item = (CallPolicy, [(&'a KeyRef, i64); 2])>,
) -> Option<HeaderValue> {
    let mut list = ListSerializer::new();
    for (policy, parameters) in members {
        let mut member = list.bare_item(name(policy));
        for (key, value) in parameters {
            // The grammar has fifteen digits; these have fewer.
            member = member.parameter(key, integer(value.min(999_999_999_999_999)));
        }
    }
    HeaderValue::try_from(list.finish()?).ok()
}

const fn name(policy: CallPolicy) -> &'static StringRef {
    string_ref(policy.as_str())
}
