//! `/api/v1/quarantine`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::bundles::PublishResponse;
use crate::app::App;
use crate::model::{ContentHash, Principal, Quarantined};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path, SmallBody};

/// Every quarantined bundle.
#[derive(Debug, Serialize)]
pub(crate) struct QuarantineResponse {
    quarantined: Vec<Quarantined>,
}

/// The body of an approval.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApproveRequest {
    reason: String,
}

/// Lists what waits for a decision, of what the caller may publish.
pub(crate) async fn list_quarantined(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<QuarantineResponse>, ApiError> {
    Ok(Json(QuarantineResponse { quarantined: app.list_quarantined(&principal).await? }))
}

/// One quarantined bundle with its report.
pub(crate) async fn get_quarantined(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(hash): Path<ContentHash>,
) -> Result<Json<Quarantined>, ApiError> {
    Ok(Json(app.get_quarantined(&principal, hash).await?))
}

/// Attaches the DSSE envelope in the body and verifies again.
pub(crate) async fn attach_signatures(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(hash): Path<ContentHash>,
    SmallBody(envelope): SmallBody,
) -> Result<(StatusCode, Json<PublishResponse>), ApiError> {
    let published = app.attach_signatures(&principal, hash, vec![envelope.to_vec()]).await?;
    Ok(PublishResponse::answer(published))
}

/// Approves exactly this content hash, with a reason.
pub(crate) async fn approve_quarantined(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(hash): Path<ContentHash>,
    JsonBody(body): JsonBody<ApproveRequest>,
) -> Result<(StatusCode, Json<PublishResponse>), ApiError> {
    let published = app.approve(&principal, hash, &body.reason).await?;
    Ok(PublishResponse::answer(published))
}

/// Throws a quarantined bundle away.
pub(crate) async fn delete_quarantined(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(hash): Path<ContentHash>,
) -> Result<StatusCode, ApiError> {
    app.delete_quarantined(&principal, hash).await?;
    Ok(StatusCode::NO_CONTENT)
}
