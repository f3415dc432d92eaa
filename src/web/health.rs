//! `/healthz`, `/readyz`, `/metrics`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::error::ApiError;
use super::extract::Answer;
use crate::app::App;
use crate::app::readiness::ReadinessStatus;

/// The process runs.
pub(super) async fn show_health() -> impl IntoResponse {
    Json(json!({ "status": "ok" }))
}

/// The appliance can do its work: 200 also while set-up is pending or something
/// is degraded, because installed extensions run; 503 when it cannot.
pub(super) async fn show_readiness(State(app): State<Arc<App>>) -> impl IntoResponse {
    let readiness = app.readiness().await;
    let status = match readiness.status {
        ReadinessStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ReadinessStatus::Ready | ReadinessStatus::SetupPending | ReadinessStatus::Degraded => {
            StatusCode::OK
        }
    };
    (status, Json(readiness))
}

/// Process and request counters, as OpenMetrics text.
pub(super) async fn show_metrics(State(app): State<Arc<App>>) -> Answer {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // It asks the disk and the kernel, which may keep it waiting.
    let text = spawn_blocking(move || app.read_metrics()).await.map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
