//! Yanking, unyanking and removing `/api/v1/extensions/{name}/versions/{version}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use semver::Version;
use serde::Deserialize;

use crate::app::App;
use crate::model::{ExtensionName, Principal, Tombstone, Yank};
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path};

/// The body of a yank.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct YankRequest {
    reason: Option<String>,
}

/// Forbids new installs of a version, and upgrades to it.
pub(crate) async fn yank_version(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
    JsonBody(body): JsonBody<YankRequest>,
) -> Result<Json<Yank>, ApiError> {
    Ok(Json(app.yank_version(&principal, &name, &version, body.reason.as_deref()).await?))
}

/// Allows new installs again.
pub(crate) async fn unyank_version(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Result<StatusCode, ApiError> {
    app.unyank_version(&principal, &name, &version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a version that is installed nowhere, for good.
pub(crate) async fn remove_version(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Result<Json<Tombstone>, ApiError> {
    Ok(Json(app.remove_version(&principal, &name, &version).await?))
}
