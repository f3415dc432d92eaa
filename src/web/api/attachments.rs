//! `/api/v1/extensions/{name}/versions/{version}/attachments[/{kind}]`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use semver::Version;
use serde::Serialize;

use super::downloads::Download;
use crate::app::App;
use crate::app::attachments::{AttachedFile, NewAttachment};
use crate::model::{AttachmentKind, ExtensionName, Principal, ScopeKind};
use crate::web::cache::CachePolicy;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, read_up_to};

/// What is beside a version, under one name.
#[derive(Debug, Serialize)]
pub(crate) struct AttachmentsResponse {
    attachments: Vec<AttachedFile>,
}

/// Lists what is beside a version.
pub(crate) async fn list_attachments(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Result<Json<AttachmentsResponse>, ApiError> {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    Ok(Json(AttachmentsResponse { attachments: app.list_attachments(&row).await? }))
}

/// One attachment, to be saved.
pub(crate) async fn get_attachment(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version, kind)): Path<(ExtensionName, Version, AttachmentKind)>,
    method: Method,
    asked: HeaderMap,
) -> Answer {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    let (file, content) = app.open_attachment(&row, kind).await?;
    let ending = if file.path.is_some() { "txt" } else { "json" };
    let download = Download {
        sha256: *file.sha256.as_bytes(),
        size: file.size,
        media_type: file.media_type,
        file_name: format!("{name}-{version}.{kind}.{ending}"),
        // Another one can take its place.
        policy: CachePolicy::Revalidate,
    };
    download.of_bytes(&method, &asked, &content).await
}

/// Attaches the body: 201 when it is new or another, 200 when it is the same.
pub(crate) async fn put_attachment(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version, kind)): Path<(ExtensionName, Version, AttachmentKind)>,
    request: Request,
) -> Result<(StatusCode, Json<AttachedFile>), ApiError> {
    let row = app.published(&principal, ScopeKind::BundlePublish, &name, &version).await?;
    let (parts, body) = request.into_parts();
    let limit = app.config.store.max_attachment_bytes;
    let content = read_up_to(&parts, body, limit).await?;
    let (file, is_new) = app.attach(&principal, &row, NewAttachment { kind, content }).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(file)))
}

/// Takes an attachment away.
pub(crate) async fn delete_attachment(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version, kind)): Path<(ExtensionName, Version, AttachmentKind)>,
) -> Result<StatusCode, ApiError> {
    let row = app.published(&principal, ScopeKind::BundlePublish, &name, &version).await?;
    app.detach(&principal, &row, kind).await?;
    Ok(StatusCode::NO_CONTENT)
}
