//! `POST /api/ext-bundles/abort`: gives an upload up.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::{Value, json};

use super::json_body::JsonObject;
use super::staging_key::{self, Named};
use crate::app::App;
use crate::model::Principal;
use crate::web::error::ApiError;

/// Removes an upload. One that is not there, or is another's, is gone as well.
pub(in crate::web) async fn abort_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = JsonObject::read(body).await?;
    let key = body.required_text("key")?;
    body.text("reason")?;
    let (status, area) = match staging_key::read(key)? {
        Named::Canonical => ("noop", "canonical"),
        Named::Nothing => ("deleted", "staging"),
        Named::Upload(id) => {
            app.abort_upload(&principal, id).await?;
            ("deleted", "staging")
        }
    };
    Ok(Json(json!({ "status": status, "key": key, "area": area })))
}
