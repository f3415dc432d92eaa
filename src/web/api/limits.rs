//! `/api/v1/limits`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::app::limits::Limits;
use crate::model::Principal;
use crate::web::error::ApiError;

/// What the caller may send, and how much of it is used.
pub(crate) async fn show_limits(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<Limits>, ApiError> {
    Ok(Json(app.limits(&principal).await?))
}
