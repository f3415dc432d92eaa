//! `/api/v1/installs/{id}/egress`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::egress::{EgressReport, LearnedHost, Lesson, RefusedDestination};
use crate::egress::{List, Refusal};
use crate::model::{EgressRule, Install, InstallId, Principal};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// What an install may call, and what it was refused.
#[derive(Debug, Serialize)]
pub(crate) struct EgressResponse {
    /// Whether `cap:http.fetch` is granted: without it nothing is called.
    capability_granted: bool,
    /// What the manifest asks for; absent if it leaves the hosts to an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<Vec<EgressRule>>,
    granted: Vec<GrantedHost>,
    /// Since the appliance started, the last first.
    refused: Vec<RefusedHost>,
    /// What it called while it learned; absent if it did not since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    learning: Option<LearningResponse>,
}

/// Learn mode of an install.
#[derive(Debug, Serialize)]
struct LearningResponse {
    on: bool,
    began_at: Timestamp,
    ends_at: Timestamp,
    calls: Vec<CalledHost>,
    /// The smallest list that allows all of them.
    proposal: Vec<EgressRule>,
}

/// A destination that was called.
#[derive(Debug, Serialize)]
struct CalledHost {
    entry: EgressRule,
    count: u64,
    last_at: Timestamp,
    /// Whether it was granted before.
    granted: bool,
}

/// A host that the install was granted.
#[derive(Debug, Serialize)]
struct GrantedHost {
    entry: EgressRule,
    /// Whether `egress.allowlist` of the appliance has all of it, too.
    on_allowlist: bool,
}

/// A destination that was refused.
#[derive(Debug, Serialize)]
struct RefusedHost {
    /// The entry that allows exactly this.
    entry: String,
    /// The lists that do not have it: `appliance`, `manifest`, `grant`. None: it has an
    /// address that is not public, it is this machine or a server that the appliance uses
    /// itself, or `secret` says why.
    missing_on: Vec<&'static str>,
    /// Why a secret that was asked for does not go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    count: u64,
    last_at: Timestamp,
}

/// The body of `PUT /api/v1/installs/{id}/egress`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantHostsRequest {
    granted: Vec<EgressRule>,
}

impl EgressResponse {
    pub(super) fn new(report: EgressReport, now: Timestamp) -> Self {
        let granted = report.granted.into_iter();
        Self {
            capability_granted: report.is_granted,
            requested: report.allowance.requested.clone(),
            granted: granted
                .map(|(entry, on_allowlist)| GrantedHost { entry, on_allowlist })
                .collect(),
            refused: report.refused.into_iter().map(RefusedHost::from).collect(),
            learning: report.lesson.map(|lesson| LearningResponse::new(lesson, now)),
        }
    }
}

impl LearningResponse {
    fn new(lesson: Lesson, now: Timestamp) -> Self {
        let call = |call: LearnedHost| {
            let LearnedHost { entry, count, last_at, was_granted: granted } = call;
            CalledHost { entry, count, last_at, granted }
        };
        Self {
            on: lesson.is_on(now),
            began_at: lesson.began_at,
            ends_at: lesson.ends_at,
            proposal: lesson.proposal(),
            calls: lesson.calls.into_iter().map(call).collect(),
        }
    }
}

impl From<RefusedDestination> for RefusedHost {
    fn from(refused: RefusedDestination) -> Self {
        let (missing_on, secret) = match refused.refusal {
            Refusal::Missing(lists) => (lists.into_iter().map(List::as_str).collect(), None),
            Refusal::OwnMachine | Refusal::Address => (Vec::new(), None),
            Refusal::Secret(refusal) => (Vec::new(), Some(refusal.to_string())),
        };
        Self {
            entry: refused.entry,
            missing_on,
            secret,
            count: refused.count,
            last_at: refused.last_at,
        }
    }
}

/// What an install may call, and what it was refused.
pub(crate) async fn get_install_egress(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<EgressResponse>, ApiError> {
    Ok(Json(EgressResponse::new(app.egress_of(&principal, id)?, app.clock.now())))
}

/// Grants an install these hosts, and no others.
pub(crate) async fn grant_hosts(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    JsonBody(body): JsonBody<GrantHostsRequest>,
) -> Result<Json<Install>, ApiError> {
    Ok(Json(app.grant_hosts(&principal, id, body.granted).await?))
}
