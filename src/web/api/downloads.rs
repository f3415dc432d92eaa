//! `/api/v1/extensions/{name}/versions/{version}/{bundle,manifest,signatures}`

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use semver::Version;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::model::{ExtensionName, KeyId, Principal, ScopeKind};
use crate::trust::PublishedSignature;
use crate::web::cache::CachePolicy;
use crate::web::conditional::{Range, is_fresh, unchanged, unsatisfiable};
use crate::web::digest;
use crate::web::error::ApiError;
use crate::web::extract::{Answer, Path, SmallBody};

/// The signatures of a version, under one name.
#[derive(Debug, Serialize)]
pub(crate) struct SignaturesResponse {
    signatures: Vec<SignatureRow>,
}

/// One signature, as it stands today.
#[derive(Debug, Serialize)]
pub(crate) struct SignatureRow {
    key_id: KeyId,
    /// False where no key is at hand to verify it with.
    verified: bool,
    /// What the key is called, if it may sign for this extension.
    trusted_as: Option<String>,
}

impl From<PublishedSignature> for SignatureRow {
    fn from(row: PublishedSignature) -> Self {
        Self { key_id: row.key_id, verified: row.verified, trusted_as: row.trusted_as }
    }
}

/// A file that is sent with its digest, tag and name.
pub(in crate::web) struct Download {
    pub(in crate::web) sha256: [u8; 32],
    pub(in crate::web) size: u64,
    pub(in crate::web) media_type: String,
    /// What to call it when it is saved.
    pub(in crate::web) file_name: String,
    pub(in crate::web) policy: CachePolicy,
}

/// A part of a file, or the address that has it.
enum Content {
    Here(Body),
    Elsewhere(String),
}

impl Download {
    pub(in crate::web) fn etag(&self) -> String {
        format!("\"sha256-{}\"", hex::encode(self.sha256))
    }

    /// The headers of a 200, 206 and 304 alike.
    fn lasting_headers(&self) -> Result<HeaderMap, ApiError> {
        let value = |text: String| HeaderValue::try_from(text).map_err(ApiError::internal);
        let disposition = format!("attachment; filename=\"{}\"", self.file_name);
        Ok(HeaderMap::from_iter([
            (header::ETAG, value(self.etag())?),
            (header::CONTENT_TYPE, value(self.media_type.clone())?),
            (header::CONTENT_DISPOSITION, value(disposition)?),
            (header::CACHE_CONTROL, self.policy.into()),
            (digest::REPR_DIGEST, digest::sent(&self.sha256)),
        ]))
    }

    /// The answer to GET and HEAD. `content` gives a part of the file, where one is to be sent.
    async fn answer(
        &self,
        method: &Method,
        asked: &HeaderMap,
        content: impl AsyncFnOnce(std::ops::Range<u64>) -> Result<Content, ApiError>,
    ) -> Answer {
        if is_fresh(asked, &self.etag()) {
            return Ok(unchanged(self.lasting_headers()?));
        }
        // Of no other method does a range mean anything (RFC 9110 section 14.2).
        let range = match *method {
            Method::GET => Range::of(asked, || self.etag(), self.size),
            _ => Range::Whole,
        };
        let Some(part) = range.bytes(self.size) else { return Ok(unsatisfiable(self.size)) };
        let body = match *method {
            Method::HEAD => Body::empty(),
            _ => match content(part).await? {
                Content::Here(body) => body,
                Content::Elsewhere(url) => return self.elsewhere(&url),
            },
        };
        let mut response = body.into_response();
        *response.headers_mut() = self.lasting_headers()?;
        if range == Range::Whole {
            response.headers_mut().insert(digest::CONTENT_DIGEST, digest::sent(&self.sha256));
        }
        range.describe(&mut response, self.size);
        Ok(response)
    }

    /// The answer that sends to where the content is.
    fn elsewhere(&self, url: &str) -> Answer {
        let location = HeaderValue::try_from(url).map_err(ApiError::internal)?;
        let headers = HeaderMap::from_iter([
            (header::LOCATION, location),
            // Whoever kept it would follow an address that is over.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (digest::REPR_DIGEST, digest::sent(&self.sha256)),
        ]);
        Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
    }

    /// The answer to a request for a file that is in memory.
    pub(in crate::web) async fn of_bytes(
        &self,
        method: &Method,
        asked: &HeaderMap,
        content: &Bytes,
    ) -> Answer {
        let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
        let part = async |part: std::ops::Range<u64>| {
            Ok(Content::Here(content.slice(at(part.start)..at(part.end)).into()))
        };
        self.answer(method, asked, part).await
    }
}

/// The bundle, as it was published.
pub(crate) async fn get_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
    method: Method,
    asked: HeaderMap,
) -> Answer {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    let download = Download {
        sha256: *row.content_hash.as_bytes(),
        size: row.size,
        media_type: "application/zstd".to_owned(),
        file_name: format!("{name}-{version}.tar.zst"),
        policy: CachePolicy::PrivateImmutable,
    };
    let archive = async |part| match app.bundle_address(&row, &download.file_name)? {
        Some(url) => Ok(Content::Elsewhere(url)),
        None => Ok(Content::Here(Body::from_stream(app.open_archive(&row, part).await?))),
    };
    download.answer(&method, &asked, archive).await
}

/// The manifest, as it is in the bundle.
pub(crate) async fn get_manifest(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
    method: Method,
    asked: HeaderMap,
) -> Answer {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    let manifest = app.open_manifest(&row).await?;
    let name = format!("{name}-{version}.manifest.json");
    json_file(&manifest, name).of_bytes(&method, &asked, &manifest).await
}

/// The signatures kept beside the version.
pub(crate) async fn list_signatures(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
) -> Result<Json<SignaturesResponse>, ApiError> {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    let signatures = app.list_signatures(&row).await?;
    Ok(Json(SignaturesResponse { signatures: signatures.into_iter().map(Into::into).collect() }))
}

/// One envelope.
pub(crate) async fn get_signature(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version, key_id)): Path<(ExtensionName, Version, KeyId)>,
    method: Method,
    asked: HeaderMap,
) -> Answer {
    let row = app.published(&principal, ScopeKind::InstallRead, &name, &version).await?;
    let (envelope, _) = app.open_signature(&row, &key_id).await?;
    let name = format!("{name}-{version}.{}.dsse.json", key_id.short());
    json_file(&envelope, name).of_bytes(&method, &asked, &envelope).await
}

/// Adds the DSSE envelope in the body: 201 when a key of it is new, else 200.
pub(crate) async fn add_signature(
    State(app): State<Arc<App>>,
    principal: Principal,
    Path((name, version)): Path<(ExtensionName, Version)>,
    SmallBody(envelope): SmallBody,
) -> Result<(StatusCode, Json<SignaturesResponse>), ApiError> {
    let row = app.published(&principal, ScopeKind::BundlePublish, &name, &version).await?;
    let (found, added) = app.add_signature(&principal, &row, envelope).await?;
    let status = if added { StatusCode::CREATED } else { StatusCode::OK };
    let signatures = found.into_iter().map(Into::into).collect();
    Ok((status, Json(SignaturesResponse { signatures })))
}

fn json_file(content: &Bytes, file_name: String) -> Download {
    Download {
        sha256: Sha256::digest(content).into(),
        size: content.len() as u64,
        media_type: "application/json".to_owned(),
        file_name,
        policy: CachePolicy::PrivateImmutable,
    }
}
