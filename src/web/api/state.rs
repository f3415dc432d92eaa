//! `/api/v1/state` and `/api/v1/installs/{id}/state`

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::app::state::StateReport;
use crate::model::{ExtensionName, InstallId, Principal};
use crate::state::values::Entry;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path};

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

/// A line of an export.
#[derive(Serialize)]
struct Line<'a> {
    namespace: &'a str,
    key: &'a str,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    value_base64: String,
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
    let lines = pages.map_ok(|page| page.iter().map(line).collect::<Vec<_>>().concat());
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

fn line(entry: &Entry) -> Vec<u8> {
    let line = Line {
        namespace: &entry.namespace,
        key: &entry.key,
        revision: entry.revision,
        created_at: entry.created_at,
        updated_at: entry.updated_at,
        expires_at: entry.expires_at,
        value_base64: STANDARD.encode(&entry.value),
    };
    let mut json = serde_json::to_vec(&line).expect("it has string keys only");
    json.push(b'\n');
    json
}
