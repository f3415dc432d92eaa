//! `/api/v1/uploads`: bundles that arrive in parts, by the tus protocol.
//!
//! The protocol ends where all bytes are here; `publish` is the step behind it,
//! with the answers of `PUT /api/v1/bundles`. `presigned` is for bytes that go to
//! the store instead.

pub(in crate::web) mod presigned;
pub(in crate::web) mod tus;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bundles::{PublishResponse, check_count, decode_signature, header_signatures};
use crate::app::App;
use crate::app::uploads::{NewUpload, UploadError};
use crate::model::{ContentHash, Principal, Upload, UploadId};
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, SmallBody};
use tus::Tus;

/// An upload, for its owner.
#[derive(Debug, Serialize)]
pub(crate) struct UploadResponse {
    id: UploadId,
    filename: String,
    length: u64,
    offset: u64,
    declared_hash: Option<ContentHash>,
    created_at: Timestamp,
    expires_at: Timestamp,
    finished: bool,
    /// Whether its bytes go to the store, and none of them comes here.
    to_store: bool,
}

/// A new upload; `published` is there when its bytes are not needed.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedUploadResponse {
    #[serde(flatten)]
    upload: UploadResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<PublishResponse>,
}

/// The caller's uploads.
#[derive(Debug, Serialize)]
pub(crate) struct UploadsResponse {
    uploads: Vec<UploadResponse>,
}

/// The body of a publish, where signatures are not in headers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishUploadRequest {
    /// DSSE envelopes in base64.
    signatures: Vec<String>,
}

impl From<Upload> for UploadResponse {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            filename: upload.filename,
            length: upload.length,
            offset: upload.offset,
            declared_hash: upload.declared_hash,
            created_at: upload.created_at,
            expires_at: upload.expires_at,
            finished: upload.finished,
            to_store: upload.presigned.is_some(),
        }
    }
}

/// Says what of the protocol is spoken here.
pub(crate) async fn describe_uploads(State(app): State<Arc<App>>) -> Response {
    let abilities = tus::abilities(app.config.store.max_bundle_bytes);
    (StatusCode::NO_CONTENT, abilities).into_response()
}

/// Lists the caller's uploads.
pub(crate) async fn list_uploads(
    State(app): State<Arc<App>>,
    principal: Principal,
) -> Result<Json<UploadsResponse>, ApiError> {
    let uploads = app.list_uploads(&principal).await?;
    Ok(Json(UploadsResponse { uploads: uploads.into_iter().map(Into::into).collect() }))
}

/// Begins an upload, perhaps with its first part.
pub(crate) async fn create_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    _: Tus,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let length = tus::length(&headers)?;
    let tus::Metadata { filename, content_type, declared_hash } = tus::metadata(&headers)?;
    let checksum = tus::checksum(&headers)?;
    let new = NewUpload { length, declared_hash, filename, content_type };
    let mut upload = app.begin_upload(&principal, new).await?;
    let published = published_before(&app, &principal, &upload).await?;
    if published.is_none() && tus::is_part(&headers) {
        let id = upload.id;
        let first = append(&app, &principal, &upload, 0, request.into_body(), checksum).await;
        upload = match first {
            // The client learns where it is, and goes on from what arrived.
            Err(UploadError::Broken { .. }) => {
                app.get_upload(&principal, id).await?.ok_or(UploadError::Unknown(id))?
            }
            // It never learned the address: nobody would go on.
            Err(error) => {
                app.abort_upload(&principal, id).await?;
                return Err(error.into());
            }
            Ok(upload) => upload,
        };
    }
    let state = tus::state_of(&upload);
    let place = [(header::LOCATION, format!("/api/v1/uploads/{}", upload.id))];
    let body = Json(CreatedUploadResponse { upload: upload.into(), published });
    Ok((StatusCode::CREATED, place, state, body).into_response())
}

/// The answer of the publish, for an upload that was finished when it began.
async fn published_before(
    app: &Arc<App>,
    principal: &Principal,
    upload: &Upload,
) -> Result<Option<PublishResponse>, ApiError> {
    if !upload.finished {
        return Ok(None);
    }
    let outcome = app.finish_upload(principal, upload.id, Vec::new(), None).await?;
    Ok(Some(PublishResponse::answer(outcome).1.0))
}

/// How far an upload is: headers for `HEAD`, and JSON with them for `GET`.
pub(crate) async fn get_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    _: Option<Tus>,
    Path(id): Path<UploadId>,
) -> Answer {
    let upload = app.get_upload(&principal, id).await?.ok_or(UploadError::Unknown(id))?;
    Ok((tus::state_of(&upload), Json(UploadResponse::from(upload))).into_response())
}

/// Takes the next part.
pub(crate) async fn append_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    _: Tus,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    tus::check_part(&headers)?;
    let (offset, checksum) = (tus::offset(&headers)?, tus::checksum(&headers)?);
    let upload = app.get_upload(&principal, id).await?.ok_or(UploadError::Unknown(id))?;
    let body = request.into_body();
    let upload = append(&app, &principal, &upload, offset, body, checksum).await?;
    Ok((StatusCode::NO_CONTENT, tus::state_of(&upload)).into_response())
}

/// Refuses by `Content-Length` before a byte is received, where that can be seen.
async fn append(
    app: &Arc<App>,
    principal: &Principal,
    upload: &Upload,
    offset: u64,
    body: Body,
    checksum: Option<[u8; 32]>,
) -> Result<Upload, UploadError> {
    let announced = http_body::Body::size_hint(&body).lower();
    let received = offset.saturating_add(announced);
    if offset == upload.offset && received > upload.length {
        return Err(UploadError::Overrun { length: upload.length, received });
    }
    app.append_upload(principal, upload.id, offset, body.into_data_stream(), checksum).await
}

/// Gives an upload up.
pub(crate) async fn abort_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    _: Tus,
    Path(id): Path<UploadId>,
) -> Result<StatusCode, ApiError> {
    if app.abort_upload(&principal, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(UploadError::Unknown(id).into())
    }
}

/// Publishes what has arrived: 201 new, 200 known, 202 quarantined.
pub(crate) async fn publish_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
    SmallBody(body): SmallBody,
) -> Result<(StatusCode, Json<PublishResponse>), ApiError> {
    let mut signatures = header_signatures(&headers)?;
    if !body.is_empty() {
        let request: PublishUploadRequest = serde_json::from_slice(&body).map_err(|error| {
            ApiError::malformed(format!("the body is not `{{\"signatures\": […]}}`: {error}"))
        })?;
        check_count(signatures.len() + request.signatures.len())?;
        for signature in request.signatures {
            signatures.push(decode_signature("signatures", signature.as_bytes())?);
        }
    }
    let published = app.finish_upload(&principal, id, signatures, None).await?;
    Ok(PublishResponse::answer(published))
}
