//! `/api/v1/extensions`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use semver::Version;
use serde::Serialize;

use crate::app::App;
use crate::app::removal::Standings;
use crate::model::{
    ContentHash, ExtensionName, ExtensionVersion, Principal, ScopeKind, Signer, TargetWorld,
    Tombstone, Yank,
};
use crate::web::error::ApiError;
use crate::web::extract::Path;

/// A list under one name, so that members can be added beside it.
#[derive(Debug, Serialize)]
pub(crate) struct ExtensionsResponse {
    pub versions: Vec<VersionSummary>,
    /// Of one extension: the versions whose numbers are not used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Vec<Tombstone>>,
}

/// A version without its file table and manifest.
#[derive(Debug, Serialize)]
pub(crate) struct VersionSummary {
    pub name: ExtensionName,
    pub version: Version,
    pub content_hash: ContentHash,
    pub size: u64,
    pub world: Option<TargetWorld>,
    pub signers: Vec<Signer>,
    pub published_at: Timestamp,
    /// Present when nobody new may install it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Yank>,
}

impl VersionSummary {
    fn new(row: ExtensionVersion, yanked: Option<Yank>) -> Self {
        Self {
            name: row.name,
            version: row.version,
            content_hash: row.content_hash,
            size: row.size,
            world: row.world,
            signers: row.signers,
            published_at: row.published_at,
            yanked,
        }
    }
}

/// A version whole, and how it stands.
#[derive(Debug, Serialize)]
pub(crate) struct VersionResponse {
    #[serde(flatten)]
    version: ExtensionVersion,
    /// Present when nobody new may install it.
    #[serde(skip_serializing_if = "Option::is_none")]
    yanked: Option<Yank>,
}

/// Every published version.
pub(crate) async fn list_extensions(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<ExtensionsResponse>, ApiError> {
    let versions = app.list_versions(&principal).await?;
    let mut yanks = app.list_yanks().await?;
    let summary = |row: ExtensionVersion| {
        let yank = yanks.remove(&(row.name.clone(), row.version.clone()));
        VersionSummary::new(row, yank)
    };
    let versions = versions.into_iter().map(summary).collect();
    Ok(Json(ExtensionsResponse { versions, removed: None }))
}

/// The versions of one extension.
pub(crate) async fn get_extension(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(name): Path<ExtensionName>,
) -> Result<Json<ExtensionsResponse>, ApiError> {
    check_readable(&principal, &name)?;
    let versions = app.list_versions_of(&name).await?;
    let Standings { mut yanks, removed } = app.standings_of(&name).await?;
    if versions.is_empty() && removed.is_empty() {
        return Err(ApiError::not_found(format!("no version of {name} is published")));
    }
    let summary = |row: ExtensionVersion| {
        let yank = yanks.remove(&row.version);
        VersionSummary::new(row, yank)
    };
    let versions = versions.into_iter().map(summary).collect();
    Ok(Json(ExtensionsResponse { versions, removed: Some(removed) }))
}

/// One version, whole.
pub(crate) async fn get_extension_version(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Result<Json<VersionResponse>, ApiError> {
    check_readable(&principal, &name)?;
    let found = app.get_version(&name, &version).await?;
    let unknown = || ApiError::not_found(format!("{name} {version} is not published"));
    let row = found.ok_or_else(unknown)?;
    let yanked = app.standings_of(&name).await?.yanks.remove(&version);
    Ok(Json(VersionResponse { version: row, yanked }))
}

fn check_readable(principal: &Principal, name: &ExtensionName) -> Result<(), ApiError> {
    if principal.allows(ScopeKind::InstallRead, Some(name)) {
        Ok(())
    } else {
        let scope = format!("install:read:{name}");
        Err(ApiError::lacks_scope(&scope, format!("this token may not read {name}")))
    }
}
