//! `/api/v1/installs/{id}/usage`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::app::usage::{Tally, UsageReport};
use crate::model::{Failing, InstallId, Principal};
use crate::runner::Outcome;
use crate::web::error::ApiError;
use crate::web::extract::Path;

/// What the executions of an install took.
#[derive(Debug, Serialize)]
pub(crate) struct UsageResponse {
    /// Nothing is known of what was before.
    since: Timestamp,
    /// Present while calls are not let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<Failing>,
    /// Of the last 60: those in which it was called, oldest first.
    minutes: Vec<UsageSlot>,
    /// Of the last 168: those in which it was called, oldest first.
    hours: Vec<UsageSlot>,
}

/// What the executions that ended within one minute or hour took.
#[derive(Debug, Serialize)]
pub(crate) struct UsageSlot {
    begins_at: Timestamp,
    /// How many ended how.
    outcomes: BTreeMap<&'static str, u64>,
    /// Calls that were not let through, because the install was failing.
    held_back: u32,
    p95_us: u64,
    longest_us: u64,
    mean_cpu_us: u64,
    peak_memory_bytes: u64,
    host_calls: u64,
    request_bytes: u64,
    response_bytes: u64,
}

impl UsageSlot {
    fn list(slots: &[(Timestamp, Tally)]) -> Vec<Self> {
        let called = slots.iter().filter(|(_, tally)| !tally.is_empty());
        called.map(|(begins_at, tally)| Self::new(*begins_at, tally)).collect()
    }

    fn new(begins_at: Timestamp, tally: &Tally) -> Self {
        let count = |outcome: Outcome| (outcome.as_str(), tally.of(outcome));
        Self {
            begins_at,
            outcomes: Outcome::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect(),
            held_back: tally.held_back,
            p95_us: tally.p95_us(),
            longest_us: tally.longest_us(),
            mean_cpu_us: tally.mean_cpu_us(),
            peak_memory_bytes: tally.peak_memory_bytes,
            host_calls: tally.host_calls,
            request_bytes: tally.request_bytes,
            response_bytes: tally.response_bytes,
        }
    }
}

/// What the executions of an install took, by minute and by hour.
pub(crate) async fn get_install_usage(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<UsageResponse>, ApiError> {
    let UsageReport { since, failing, minutes, hours } = app.usage_of(&principal, id)?;
    Ok(Json(UsageResponse {
        since,
        failing,
        minutes: UsageSlot::list(&minutes),
        hours: UsageSlot::list(&hours),
    }))
}
