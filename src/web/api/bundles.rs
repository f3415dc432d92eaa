//! `/api/v1/bundles`

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use semver::Version;
use serde::Serialize;

use crate::app::App;
use crate::app::publish::Published;
use crate::model::{AttachmentKind, ContentHash, ExtensionName, Principal};
use crate::trust::Report;
use crate::web::bundle_form::BundleForm;
use crate::web::digest::DigestCheck;
use crate::web::error::ApiError;
use crate::web::multipart::MultipartForm;

/// A header line with one base64 DSSE envelope.
const SIGNATURE_HEADER: &str = "plugboard-signature";
/// Bytes of one such line.
const MAX_SIGNATURE_LINE_BYTES: usize = 8 * 1024;
/// Envelopes of one bundle.
const MAX_SIGNATURES: usize = 8;

/// What became of a bundle.
#[derive(Debug, Serialize)]
pub(crate) struct PublishResponse {
    /// `created`, `unchanged` or `quarantined`.
    pub outcome: &'static str,
    pub name: ExtensionName,
    pub version: Version,
    pub content_hash: ContentHash,
    /// What came along and is attached now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentKind>,
    pub report: Report,
}

/// Publishes the bundle in the request body: 201 new, 200 known, 202 quarantined.
pub(crate) async fn publish_bundle(
    State(app): State<Arc<App>>,
    principal: Principal,
    headers: HeaderMap,
    request: Request,
) -> Result<(StatusCode, Json<PublishResponse>), ApiError> {
    let signatures = header_signatures(&headers)?;
    let digests = DigestCheck::of(&headers)?;
    let announced = announced_size(&app, request.body())?;
    let body = digests.watch(request.into_body().into_data_stream());
    let staged = app.receive(&principal, announced, body).await?;
    digests.check(staged.content_hash.as_bytes())?;
    let declared = digests.content_hash();
    let published = app.publish(&principal, staged, signatures, declared).await?;
    Ok(PublishResponse::answer(published))
}

/// The same, as a form with `bundle`, any number of `signature` parts, and one
/// `sbom` and one `provenance` to attach.
pub(crate) async fn publish_bundle_form(
    State(app): State<Arc<App>>,
    principal: Principal,
    form: MultipartForm,
) -> Result<(StatusCode, Json<PublishResponse>), ApiError> {
    let upload = BundleForm::receive(&app, &principal, form, |name, _| known(name)).await?;
    let BundleForm { staged, signatures, declared, attachments } = upload;
    let (published, kept) =
        app.publish_with_attachments(&principal, staged, signatures, declared, attachments).await?;
    let (status, Json(answer)) = PublishResponse::answer(published);
    Ok((status, Json(PublishResponse { attachments: kept, ..answer })))
}

/// A misspelt `signature` must not become a bundle without one.
fn known(name: &str) -> Result<(), ApiError> {
    if name == "bundle" {
        return Ok(());
    }
    let detail = format!("the form has a field `{name}`, which means nothing here");
    Err(ApiError::malformed(detail)
        .hint("its fields are `bundle`, `signature`, `sbom` and `provenance`"))
}

impl PublishResponse {
    pub(in crate::web) fn answer(published: Published) -> (StatusCode, Json<Self>) {
        let (status, body) = match published {
            Published::Registered { version, created, report } => (
                if created { StatusCode::CREATED } else { StatusCode::OK },
                Self {
                    outcome: if created { "created" } else { "unchanged" },
                    name: version.name.clone(),
                    version: version.version.clone(),
                    content_hash: version.content_hash,
                    attachments: Vec::new(),
                    report,
                },
            ),
            Published::Quarantined { entry, report } => (
                StatusCode::ACCEPTED,
                Self {
                    outcome: "quarantined",
                    name: entry.name,
                    version: entry.version,
                    content_hash: entry.content_hash,
                    attachments: Vec::new(),
                    report,
                },
            ),
        };
        (status, Json(body))
    }
}

/// The envelopes in the header lines of a request.
pub(super) fn header_signatures(headers: &HeaderMap) -> Result<Vec<Vec<u8>>, ApiError> {
    let lines: Vec<_> = headers.get_all(SIGNATURE_HEADER).iter().collect();
    check_count(lines.len())?;
    lines.iter().map(|line| decode_signature("Plugboard-Signature", line.as_bytes())).collect()
}

/// An envelope in base64; `what` is where it was found.
pub(super) fn decode_signature(what: &str, base64: &[u8]) -> Result<Vec<u8>, ApiError> {
    if base64.len() > MAX_SIGNATURE_LINE_BYTES {
        let found = Some(base64.len() as u64);
        return Err(ApiError::too_large(what, MAX_SIGNATURE_LINE_BYTES as u64, found));
    }
    STANDARD.decode(base64).or_else(|_| URL_SAFE.decode(base64)).map_err(|_| {
        ApiError::malformed(format!("{what} is not base64"))
            .hint("send `base64 -w0 < bundle.dsse.json`")
    })
}

pub(in crate::web) fn check_count(count: usize) -> Result<(), ApiError> {
    if count > MAX_SIGNATURES {
        let detail = format!("{count} signatures were sent; {MAX_SIGNATURES} are allowed");
        return Err(ApiError::malformed(detail));
    }
    Ok(())
}

/// What `Content-Length` says, refused before a byte is received if it is too much.
fn announced_size(app: &App, body: &Body) -> Result<Option<u64>, ApiError> {
    let (limit, hint) = (app.config.store.max_bundle_bytes, http_body::Body::size_hint(body));
    let announced = hint.lower();
    if announced > limit {
        return Err(ApiError::too_large("a bundle", limit, Some(announced)).hint(
            "ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller",
        ));
    }
    Ok(hint.exact())
}
