//! `/api/v1/state` and `/api/v1/installs/{id}/state`

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::state::{ImportOptions, Imported, StateReport, write_line};
use crate::model::{ExtensionName, InstallId, Principal};
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, Query};

/// What is kept, of which installs of the caller's tenant.
#[derive(Debug, Serialize)]
pub(crate) struct StateResponse {
    state: Vec<KeptRow>,
    /// What one install may keep.
    max_namespaces: u64,
    max_keys: u64,
    max_bytes: u64,
}

/// What is kept of one install.
#[derive(Debug, Serialize)]
pub(crate) struct KeptRow {
    install: InstallId,
    extension: ExtensionName,
    namespaces: u64,
    keys: u64,
    bytes: u64,
    uninstalled_at: Option<Timestamp>,
    /// When it will be removed; absent while it is installed.
    removed_at: Option<Timestamp>,
}

/// What a purge removed.
#[derive(Debug, Serialize)]
pub(crate) struct PurgedResponse {
    keys: u64,
    bytes: u64,
}

/// How an import is to be done.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ImportQuery {
    replace: bool,
    dry_run: bool,
}

impl From<StateReport> for KeptRow {
    fn from(StateReport { kept, usage, removed_at }: StateReport) -> Self {
        Self {
            install: kept.install,
            extension: kept.extension,
            namespaces: usage.namespaces,
            keys: usage.keys,
            bytes: usage.bytes,
            uninstalled_at: kept.uninstalled_at,
            removed_at,
        }
    }
}

/// Lists of which installs something is kept.
pub(crate) async fn list_state(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<StateResponse>, ApiError> {
    let state = app.list_state(&principal).await?.into_iter().map(KeptRow::from).collect();
    let limits = app.state.limits();
    Ok(Json(StateResponse {
        state,
        max_namespaces: limits.max_namespaces,
        max_keys: limits.max_keys,
        max_bytes: limits.max_bytes,
    }))
}

/// All that an install keeps: a JSON object a line, sent while it is read.
///
/// A failure after the first line cuts the body off: whoever reads it sees an
/// incomplete transfer, and no end that looks like one.
pub(crate) async fn export_state(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Answer {
    let (kept, pages) = app.export_state(&principal, id).await?;
    let lines = pages.map_ok(|page| page.into_iter().map(write_line).collect::<Vec<_>>().concat());
    let disposition =
        format!("attachment; filename=\"{}-{}.state.jsonl\"", kept.extension, kept.install);
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(lines.map_ok(Bytes::from))).into_response())
}

/// Removes all that an install keeps, for good.
pub(crate) async fn purge_state(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
) -> Result<Json<PurgedResponse>, ApiError> {
    let purged = app.purge_state(&principal, id).await?;
    Ok(Json(PurgedResponse { keys: purged.keys, bytes: purged.bytes }))
}

/// Puts back what an export gave: a JSON object a line, taken while it arrives.
pub(crate) async fn import_state(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<InstallId>,
    Query(ImportQuery { replace, dry_run }): Query<ImportQuery>,
    request: Request,
) -> Result<Json<Imported>, ApiError> {
    let options = ImportOptions { replace, dry_run };
    let body = request.into_body().into_data_stream();
    Ok(Json(app.import_state(&principal, id, options, body).await?))
}
