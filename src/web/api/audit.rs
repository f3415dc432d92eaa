//! `/api/v1/audit`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::app::audit::AuditRows;
use crate::model::{AuditEvent, Principal};
use crate::web::audit_query::AuditParameters;
use crate::web::error::ApiError;
use crate::web::extract::Query;

/// Part of the audit record, the newest row first.
#[derive(Debug, Serialize)]
pub(crate) struct AuditResponse {
    events: Vec<NumberedEvent>,
    /// `before` of the request that goes on; null when nothing older is left.
    next: Option<u64>,
}

/// A row and its number, which only grows.
#[derive(Debug, Serialize)]
pub(crate) struct NumberedEvent {
    number: u64,
    #[serde(flatten)]
    event: AuditEvent,
}

/// Lists who did what.
pub(crate) async fn list_audit_events(
    State(app): State<Arc<App>>,
    principal: Principal,
    Query(parameters): Query<AuditParameters>,
) -> Result<Json<AuditResponse>, ApiError> {
    let query = parameters.read()?;
    let AuditRows { rows, next } = app.audit(&principal, query).await?;
    let events = rows.into_iter().map(|(number, event)| NumberedEvent { number, event }).collect();
    Ok(Json(AuditResponse { events, next }))
}
