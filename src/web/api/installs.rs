//! `/api/v1/installs`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::app::App;
use crate::app::install::{InstallRequest, Installed};
use crate::app::upgrade::UpgradeRequest;
use crate::model::{Capability, EgressRule, ExtensionName, Failing, Install, InstallId, Principal};
use crate::registry::LiveInstall;
use crate::web::error::ApiError;
use crate::web::extract::{JsonBody, Path, Query};

/// The body of `POST /api/v1/installs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInstallRequest {
    name: ExtensionName,
    /// Absent: the highest that is neither a pre-release nor yanked.
    version: Option<Version>,
    #[serde(default)]
    grants: BTreeSet<Capability>,
    /// Absent: the hosts that the manifest names, if `cap:http.fetch` is granted.
    egress: Option<Vec<EgressRule>>,
}

/// The body of `PUT /api/v1/installs/{id}/version`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeVersionRequest {
    version: Option<Version>,
    grants: Option<BTreeSet<Capability>>,
    /// A person has agreed that the extension may do more than before.
    #[serde(default)]
    confirm: bool,
    /// Restore the version that the last upgrade replaced.
    #[serde(default)]
    back: bool,
}

/// How `DELETE /api/v1/installs/{id}` is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UninstallQuery {
    /// What it keeps goes with it, and not after some days.
    #[serde(default)]
    purge: bool,
}

/// Every install of the caller's tenant.
#[derive(Debug, Serialize)]
pub(crate) struct InstallsResponse {
    installs: Vec<InstallResponse>,
}

/// An install, and how it stands.
#[derive(Debug, Serialize)]
pub(crate) struct InstallResponse {
    #[serde(flatten)]
    install: Install,
    /// Present while calls are not let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<Failing>,
}

impl InstallResponse {
    fn new(app: &App, install: &Install) -> Self {
        Self { install: install.clone(), failing: app.failing(install) }
    }
}

/// Lists the installs of the caller's tenant.
pub(crate) async fn list_installs(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Json<InstallsResponse> {
    let installs = app.list_installs(&principal);
    let response = |row: &Arc<LiveInstall>| InstallResponse::new(&app, &row.install);
    Json(InstallsResponse { installs: installs.iter().map(response).collect() })
}

/// Installs a version, disabled: 201 new, 200 when it was there.
pub(crate) async fn create_install(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(body): JsonBody<CreateInstallRequest>,
) -> Result<(StatusCode, Json<Install>), ApiError> {
    let CreateInstallRequest { name, version, grants, egress } = body;
    let request = InstallRequest { name, version, grants, egress, enabled: false };
    Ok(match app.install(&principal, request).await? {
        Installed::Created(install) => (StatusCode::CREATED, Json(install)),
        Installed::Unchanged(install) => (StatusCode::OK, Json(install)),
    })
}

/// One install.
pub(crate) async fn get_install(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<InstallResponse>, ApiError> {
    Ok(Json(InstallResponse::new(&app, &app.get_install(&principal, id)?.install)))
}

/// Enables an install; answers when its component is ready to run.
pub(crate) async fn enable_install(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<Install>, ApiError> {
    Ok(Json(app.set_enabled(&principal, id, true).await?))
}

/// Disables an install.
pub(crate) async fn disable_install(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<Install>, ApiError> {
    Ok(Json(app.set_enabled(&principal, id, false).await?))
}

/// Moves an install to another version, or back.
pub(crate) async fn change_version(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    JsonBody(body): JsonBody<ChangeVersionRequest>,
) -> Result<Json<Install>, ApiError> {
    let install = if body.back {
        app.upgrade_back(&principal, id).await?
    } else {
        let ChangeVersionRequest { version, grants, confirm, .. } = body;
        let request = UpgradeRequest { version, grants, confirmed: confirm };
        app.upgrade(&principal, id, request).await?
    };
    Ok(Json(install))
}

/// Replaces the settings of an install.
pub(crate) async fn change_settings(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    JsonBody(settings): JsonBody<Map<String, Value>>,
) -> Result<Json<Install>, ApiError> {
    Ok(Json(app.configure(&principal, id, settings).await?))
}

/// Removes an install; its bundle stays published.
pub(crate) async fn delete_install(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    Query(UninstallQuery { purge }): Query<UninstallQuery>,
) -> Result<StatusCode, ApiError> {
    app.uninstall(&principal, id, purge).await?;
    Ok(StatusCode::NO_CONTENT)
}
