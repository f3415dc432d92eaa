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
use crate::app::attachments::NewAttachment;
use crate::app::publish::Published;
use crate::model::{AttachmentKind, ContentHash, ExtensionName, Principal};
use crate::store::Staged;
use crate::trust::Report;
use crate::web::digest::DigestCheck;
use crate::web::error::ApiError;
use crate::web::multipart::{MultipartForm, Part};

/// A header line with one base64 DSSE envelope.
const SIGNATURE_HEADER: &str = "plugboard-signature";
/// Bytes of one such line.
const MAX_SIGNATURE_LINE_BYTES: usize = 8 * 1024;
/// Bytes of one envelope in a form.
const MAX_SIGNATURE_BYTES: usize = 64 * 1024;
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
    let upload = BundleForm::receive(&app, &principal, form, |_, _| Ok(())).await?;
    let BundleForm { staged, signatures, declared, attachments } = upload;
    let (published, kept) =
        app.publish_with_attachments(&principal, staged, signatures, declared, attachments).await?;
    let (status, Json(answer)) = PublishResponse::answer(published);
    Ok((status, Json(PublishResponse { attachments: kept, ..answer })))
}

/// A received bundle form.
pub(in crate::web) struct BundleForm {
    pub(in crate::web) staged: Staged,
    pub(in crate::web) signatures: Vec<Vec<u8>>,
    /// What the headers of the part `bundle` say its hash is.
    pub(in crate::web) declared: Option<ContentHash>,
    pub(in crate::web) attachments: Vec<NewAttachment>,
}

impl BundleForm {
    /// Receives a form. `other` sees each further field, in order, and `bundle`
    /// before it is received, so that it can refuse in time.
    pub(in crate::web) async fn receive(
        app: &App,
        principal: &Principal,
        mut form: MultipartForm,
        mut other: impl FnMut(&str, &str) -> Result<(), ApiError>,
    ) -> Result<Self, ApiError> {
        let length = form.length;
        let (mut staged, mut declared) = (None, None);
        let (mut signatures, mut attachments) = (Vec::new(), Vec::new());
        while let Some(mut part) = form.next_part().await? {
            match part.name().to_owned().as_str() {
                "bundle" if staged.is_some() => {
                    return Err(ApiError::malformed("the form has more than one `bundle`"));
                }
                "bundle" => {
                    other("bundle", "")?;
                    let digests = DigestCheck::of(part.headers())?;
                    // How long the part is shows only at its end; it is no longer than the form.
                    let received = app.receive(principal, length, digests.watch(part)).await?;
                    digests.check(received.content_hash.as_bytes())?;
                    declared = digests.content_hash();
                    staged = Some(received);
                }
                name => {
                    let kind = attachment_kind(name);
                    let limit = match kind {
                        Some(_) => app.config.store.max_attachment_bytes,
                        None => MAX_SIGNATURE_BYTES as u64,
                    };
                    let value = read_part(&mut part, name, limit).await?;
                    match (name, kind) {
                        // A browser sends an empty part for a file that was not chosen.
                        ("signature", _) | (_, Some(_)) if value.is_empty() => {}
                        ("signature", _) => {
                            // Now, and not at the end: until there they take memory.
                            check_count(signatures.len() + 1)?;
                            signatures.push(value);
                        }
                        (_, Some(kind)) if has(&attachments, kind) => {
                            let detail = format!("the form has more than one `{name}`");
                            return Err(ApiError::malformed(detail));
                        }
                        (_, Some(kind)) => {
                            attachments.push(NewAttachment { kind, content: value.into() });
                        }
                        (_, None) => other(name, &String::from_utf8_lossy(&value))?,
                    }
                }
            }
        }
        let staged = staged.ok_or_else(|| ApiError::malformed("the form has no file `bundle`"))?;
        Ok(Self { staged, signatures, declared, attachments })
    }
}

/// A small part, whole.
async fn read_part(part: &mut Part<'_>, name: &str, limit: u64) -> Result<Vec<u8>, ApiError> {
    let mut value = Vec::new();
    while let Some(chunk) = part.chunk().await? {
        if (value.len() + chunk.len()) as u64 > limit {
            let error = ApiError::too_large(&format!("the field `{name}`"), limit, None);
            return Err(match attachment_kind(name) {
                Some(_) => error.hint("an operator can raise `store.max_attachment_bytes`"),
                None => error,
            });
        }
        value.extend_from_slice(&chunk);
    }
    Ok(value)
}

/// The attachment that a field of a form holds.
fn attachment_kind(field: &str) -> Option<AttachmentKind> {
    field.parse::<AttachmentKind>().ok().filter(|kind| !kind.is_of_the_bundle())
}

fn has(attachments: &[NewAttachment], kind: AttachmentKind) -> bool {
    attachments.iter().any(|attachment| attachment.kind == kind)
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

pub(super) fn check_count(count: usize) -> Result<(), ApiError> {
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
