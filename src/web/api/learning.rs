//! `/api/v1/installs/{id}/egress/learning`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::egress::EgressResponse;
use crate::app::App;
use crate::model::{Install, InstallId, Principal};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// The body of `POST /api/v1/installs/{id}/egress/learning`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartLearningRequest {
    /// Absent: an hour.
    seconds: Option<u64>,
}

/// The body of `POST /api/v1/installs/{id}/egress/learning/accept`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptLearnedRequest {
    /// Whether nothing else stays granted.
    #[serde(default)]
    only: bool,
}

/// Lets an install call for a while what only its grant refuses.
pub(crate) async fn start_learning(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    JsonBody(body): JsonBody<StartLearningRequest>,
) -> Result<Json<EgressResponse>, ApiError> {
    let report = app.start_learning(&principal, id, body.seconds).await?;
    Ok(Json(EgressResponse::new(report, app.clock.now())))
}

/// Ends it before its time.
pub(crate) async fn stop_learning(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<EgressResponse>, ApiError> {
    let report = app.stop_learning(&principal, id).await?;
    Ok(Json(EgressResponse::new(report, app.clock.now())))
}

/// Grants what was called.
pub(crate) async fn accept_learned(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    JsonBody(body): JsonBody<AcceptLearnedRequest>,
) -> Result<Json<Install>, ApiError> {
    Ok(Json(app.accept_learned(&principal, id, body.only).await?))
}
