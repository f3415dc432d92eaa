//! `POST /api/ext-bundles/upload-proxy`: a bundle in one request, to be finalized by another.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::envelope::WHY;
use super::json_body::{bare_hash, over_limit};
use super::receiving::{Unreceived, receive};
use super::staging_key;
use crate::app::App;
use crate::app::uploads::NewUpload;
use crate::model::Principal;
use crate::web::error::ApiError;

/// What the query says about the bundle.
struct Announced {
    filename: String,
    size: u64,
    /// Compared at the end, by `finalize`.
    declared_hash: Option<String>,
}

/// Takes the bundle in the body; it waits for `finalize`.
pub(in crate::web) async fn proxy_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let limit = app.config.store.max_bundle_bytes;
    let announced = Announced::read(request.uri(), limit)?;
    check_length(request.headers(), announced.size)?;
    let body = request.into_body();
    if http_body::Body::is_end_stream(&body) {
        return Err(refused("missing_body", "the request has no body: send the bundle in it"));
    }
    let new = NewUpload {
        length: announced.size,
        filename: announced.filename.clone(),
        ..NewUpload::default()
    };
    let upload = app.begin_upload(&principal, new).await?;
    receive(&app, &principal, upload.id, body, None).await.map_err(unreceived)?;
    let mut answer = json!({
        "upload": { "key": staging_key::of(upload.id), "strategy": "staging" },
        "filename": announced.filename,
        "size": announced.size,
    });
    if let Some(hash) = announced.declared_hash {
        answer["declaredHash"] = hash.into();
    }
    Ok(Json(answer))
}

impl Announced {
    fn read(uri: &Uri, limit: u64) -> Result<Self, ApiError> {
        let query = uri.query().unwrap_or_default();
        let find = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).filter(|value| !value.trim().is_empty())
        };
        let filename = find("filename")
            .ok_or_else(|| refused("filename_required", "the query has no `filename`"))?;
        let size = find("size")
            .ok_or_else(|| refused("size_required", "the query has no `size`, in bytes"))?;
        let size = size.parse().ok().filter(|size| *size > 0).ok_or_else(|| {
            refused("size_invalid", &format!("`size` must be a number of bytes from 1 to {limit}"))
        })?;
        if size > limit {
            return Err(over_limit(size, limit).header(WHY, "size_exceeds_cap"));
        }
        let declared_hash = find("declaredHash");
        if let Some(hash) = &declared_hash {
            bare_hash(hash).map_err(|error| error.header(WHY, "declared_hash_invalid"))?;
        }
        Ok(Self { filename, size, declared_hash })
    }
}

fn check_length(headers: &HeaderMap, size: u64) -> Result<(), ApiError> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(()) };
    match length.to_str().ok().and_then(|length| length.parse::<u64>().ok()) {
        Some(0) => Err(refused("missing_body", "the request has no body: send the bundle in it")),
        Some(length) if length == size => Ok(()),
        length => Err(length_mismatch(size, length.unwrap_or_default())),
    }
}

fn unreceived(error: Unreceived) -> ApiError {
    match error {
        Unreceived::Length { said, found } => length_mismatch(said, found),
        Unreceived::Broken | Unreceived::Used | Unreceived::HashMismatch => {
            refused("missing_body", "the bundle broke off: send it again from its start")
        }
        Unreceived::Other(error) => error,
    }
}

fn length_mismatch(said: u64, found: u64) -> ApiError {
    let detail = format!("`size` says {said} bytes, and the body has {found}");
    refused("content_length_mismatch", &detail)
}

fn refused(why: &str, detail: &str) -> ApiError {
    ApiError::client(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail).header(WHY, why)
}
