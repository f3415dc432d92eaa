//! The headers of a page file's answers, written once for each of its forms.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::app::App;
use crate::app::assets::{Asset, Page};
use crate::model::{ContentCoding, FileDigest, FileEntry};
use crate::store::{EncodedForm, EncodedForms};
use crate::web::cache::CachePolicy;
use crate::web::error::ApiError;
use crate::web::headers::FixedHeaders;

/// On every answer about a file that comes in several forms.
pub(super) const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// Size and digest of what is sent in a coding; `None` if there is no such form.
pub(super) fn form_of(
    file: &FileEntry,
    there: &EncodedForms,
    coding: ContentCoding,
) -> Option<EncodedForm> {
    if coding == ContentCoding::Identity {
        return Some(EncodedForm { bytes: file.size, sha256: file.sha256 });
    }
    there.of(coding)
}

/// What is known of a form of a page without touching its file; `None` if it is not there.
pub(super) fn write(
    app: &App,
    asset: &Asset,
    coding: ContentCoding,
) -> Result<Option<Page>, ApiError> {
    let file = asset.entry();
    let there = app.encoded_forms(asset);
    let Some(form) = form_of(file, &there, coding) else { return Ok(None) };
    let (etag, size) = (etag(&form.sha256), form.bytes);
    let mut unchanged = HeaderMap::new();
    unchanged.insert(header::ETAG, value(&etag)?);
    unchanged.insert(header::CACHE_CONTROL, policy(app, file).into());
    if app.is_negotiable(asset) {
        unchanged.insert(header::VARY, VARY);
    }
    let version = asset.version();
    let address = format!("/ext-ui/{}/{}/", version.name, version.content_hash);
    FixedHeaders::new(app).set(&address, &mut unchanged);
    let mut head = unchanged.clone();
    describe_body(&mut head, file, coding, size)?;
    Ok(Some(Page { etag, size, head, unchanged, body: None }))
}

fn describe_body(
    head: &mut HeaderMap,
    file: &FileEntry,
    coding: ContentCoding,
    size: u64,
) -> Result<(), ApiError> {
    head.insert(header::CONTENT_TYPE, value(&file.media_type)?);
    head.insert(header::CONTENT_LENGTH, size.into());
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if file.media_type == "application/octet-stream" {
        head.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    if coding != ContentCoding::Identity {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    }
    Ok(())
}

fn policy(app: &App, file: &FileEntry) -> CachePolicy {
    if file.media_type.starts_with("text/html") && app.config.ext_ui.revalidate_documents {
        CachePolicy::Revalidate
    } else {
        CachePolicy::Immutable
    }
}

/// The strong tag: the digest of the very bytes that are sent, so that each form has
/// its own, also when it is made anew and becomes other bytes.
pub(super) fn etag(sent: &FileDigest) -> String {
    format!("\"sha256-{sent}\"")
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}
