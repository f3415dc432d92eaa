//! `/api/v1/uploads/presigned` and `/api/v1/uploads/{id}/parts`: bundles that are sent
//! to the store, in parts, by addresses that are signed for them.
//!
//! They end as uploads by tus do, with `publish` or by being given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::bundles::PublishResponse;
use super::{UploadResponse, published_before};
use crate::app::App;
use crate::app::uploads::{NewUpload, PartAddress};
use crate::model::{ContentHash, Presigned, PresignedParts, Principal, UploadId};
use crate::web::error::ApiError;
use crate::web::extract::{Answer, JsonBody, Path};

/// Parts in one request: more than any bundle has.
const MAX_NUMBERS: usize = 1000;

/// What is said about a bundle before it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePresignedUploadRequest {
    /// Its bytes.
    length: u64,
    #[serde(default)]
    filename: String,
    content_type: Option<String>,
    declared_hash: Option<ContentHash>,
}

/// A new upload; `published` is there when its bytes are not needed, else `parts`.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedPresignedUploadResponse {
    #[serde(flatten)]
    upload: UploadResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartsPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<PublishResponse>,
}

/// How the bundle is to be cut.
#[derive(Debug, Serialize)]
pub(crate) struct PartsPlan {
    count: u32,
    /// Bytes of each part; the last has what is left.
    bytes: u64,
}

/// Which parts are to be sent next.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignPartsRequest {
    numbers: Vec<u32>,
}

/// Where to send them.
#[derive(Debug, Serialize)]
pub(crate) struct SignedPartsResponse {
    parts: Vec<SignedPart>,
    expires_at: Timestamp,
}

/// One request to the store.
#[derive(Debug, Serialize)]
pub(crate) struct SignedPart {
    number: u32,
    method: &'static str,
    url: String,
    headers: BTreeMap<String, String>,
    /// Bytes of its body: others are refused there.
    length: u64,
}

/// What has arrived at the store.
#[derive(Debug, Serialize)]
pub(crate) struct PartsResponse {
    plan: PartsPlan,
    parts: Vec<ArrivedPart>,
}

/// One part that is there.
#[derive(Debug, Serialize)]
pub(crate) struct ArrivedPart {
    number: u32,
    size: u64,
}

impl PartsPlan {
    fn new(parts: &PresignedParts, length: u64) -> Self {
        Self { count: parts.count(length), bytes: parts.part_bytes }
    }
}

impl From<PartAddress> for SignedPart {
    fn from(part: PartAddress) -> Self {
        let PartAddress { number, length, request } = part;
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = request.headers.iter().map(header).collect();
        Self { number, method: "PUT", url: request.url, headers, length }
    }
}

/// Begins an upload in parts that are sent to the store.
pub(in crate::web) async fn create_presigned_upload(
    State(app): State<Arc<App>>,
    principal: Principal,
    JsonBody(request): JsonBody<CreatePresignedUploadRequest>,
) -> Answer {
    let CreatePresignedUploadRequest { length, filename, content_type, declared_hash } = request;
    let new = NewUpload { length, declared_hash, filename, content_type };
    let upload = app.begin_presigned_parts(&principal, new).await?;
    let published = published_before(&app, &principal, &upload).await?;
    let parts = match &upload.presigned {
        Some(Presigned::Parts(parts)) => Some(PartsPlan::new(parts, upload.length)),
        Some(Presigned::Whole) | None => None,
    };
    let place = [(header::LOCATION, format!("/api/v1/uploads/{}", upload.id))];
    let body = Json(CreatedPresignedUploadResponse { upload: upload.into(), parts, published });
    Ok((StatusCode::CREATED, place, body).into_response())
}

/// Signs addresses for some parts.
pub(in crate::web) async fn sign_upload_parts(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<UploadId>,
    JsonBody(SignPartsRequest { mut numbers }): JsonBody<SignPartsRequest>,
) -> Answer {
    if numbers.is_empty() || numbers.len() > MAX_NUMBERS {
        let detail = format!("`numbers` must have 1 to {MAX_NUMBERS} part numbers");
        return Err(ApiError::malformed(detail));
    }
    // Each once and in order, however they were asked for.
    numbers.sort_unstable();
    numbers.dedup();
    let signed = app.sign_parts(&principal, id, &numbers).await?;
    let parts = signed.parts.into_iter().map(Into::into).collect();
    Ok(Json(SignedPartsResponse { parts, expires_at: signed.expires_at }).into_response())
}

/// Lists the parts that have arrived.
pub(in crate::web) async fn list_upload_parts(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path(id): Path<UploadId>,
) -> Result<Json<PartsResponse>, ApiError> {
    let (upload, parts, arrived) = app.list_parts(&principal, id).await?;
    let plan = PartsPlan::new(&parts, upload.length);
    let arrived =
        arrived.into_iter().map(|part| ArrivedPart { number: part.number, size: part.size });
    Ok(Json(PartsResponse { plan, parts: arrived.collect() }))
}
