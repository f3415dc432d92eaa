//! `POST /api/v1/extensions/{install,uninstall,update}`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::json_body::JsonObject;
use crate::app::App;
use crate::app::ensure_installed::EnsureInstalledError;
use crate::model::{ExtensionName, Install, Principal};
use crate::web::error::ApiError;

/// Installs and enables an extension, or moves its install to the version.
pub(in crate::web) async fn install_extension(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let body = JsonObject::read(body).await?;
    let (id, version) = (body.required_text("registryId")?, body.required_text("version")?);
    let name = name_of(&app, &principal, id).await?;
    let install = app.ensure_installed(&principal, &name, version).await?;
    let data = json!({
        "registryId": id,
        "version": install.version,
        "installId": install.id,
        "success": true,
        "message": message("Installed", &install),
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "data": data }))))
}

/// Removes an install; its bundle stays published. Nothing installed is fine, too.
pub(in crate::web) async fn uninstall_extension(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = JsonObject::read(body).await?;
    let id = body.required_text("registryId")?;
    let name = name_of(&app, &principal, id).await?;
    app.ensure_uninstalled(&principal, &name).await?;
    let data = json!({ "registryId": id, "success": true, "message": "Uninstalled" });
    Ok(Json(json!({ "data": data })))
}

/// Moves an install to another version. There are no schedules to lose.
pub(in crate::web) async fn update_extension(
    State(app): State<Arc<App>>,
    principal: Principal,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body = JsonObject::read(body).await?;
    let (id, version) = (body.required_text("registryId")?, body.required_text("version")?);
    let name = name_of(&app, &principal, id).await?;
    let install = app.ensure_updated(&principal, &name, version).await?;
    let data = json!({
        "registryId": id,
        "version": install.version,
        "success": true,
        "message": message("Updated", &install),
    });
    Ok(Json(json!({ "data": data })))
}

async fn name_of(app: &App, principal: &Principal, id: &str) -> Result<ExtensionName, ApiError> {
    let found = app.find_name(principal, id.trim()).await?;
    found.ok_or_else(|| {
        ApiError::malformed("`registryId` must be the name of an extension, as `com.example.hello`")
    })
}

fn message(done: &str, install: &Install) -> String {
    if install.enabled {
        done.to_owned()
    } else {
        format!("{done}; it is disabled, and stays so until an operator enables it")
    }
}

impl From<EnsureInstalledError> for ApiError {
    fn from(error: EnsureInstalledError) -> Self {
        let detail = error.to_string();
        match error {
            EnsureInstalledError::UnknownVersion { .. } => Self::not_found(detail)
                .hint("publish it first; `plugboard list` shows what is published"),
            EnsureInstalledError::NotInstalled(_) => {
                Self::client(StatusCode::NOT_FOUND, "not_installed", detail)
                    .hint("install it first")
            }
            EnsureInstalledError::Install(error) => error.into(),
        }
    }
}
