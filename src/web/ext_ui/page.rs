//! The headers of a page file's answers, written once for each of its forms.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::app::App;
use crate::app::assets::{Asset, Page};
use crate::model::{ContentCoding, FileEntry};
use crate::web::cache::CachePolicy;
use crate::web::error::ApiError;
use crate::web::headers::FixedHeaders;

/// On every answer about a file that comes in several forms.
pub(super) const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// What is known of a form of a page without touching its file; `None` if it is not there.
pub(super) fn write(
    app: &App,
    asset: &Asset,
    coding: ContentCoding,
) -> Result<Option<Page>, ApiError> {
    let file = asset.entry();
    let size = match coding {
        ContentCoding::Identity => Some(file.size),
        made => app.encoded_sizes(asset).of(made),
    };
    let Some(size) = size else { return Ok(None) };
    let etag = etag(file, coding);
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
    if file.media_type == "application/octet-stream" {
        head.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    match coding {
        ContentCoding::Identity => {
            head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        made => {
            head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(made.as_str()));
        }
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

/// Each form has its own: it is other bytes.
pub(super) fn etag(file: &FileEntry, coding: ContentCoding) -> String {
    match coding {
        ContentCoding::Identity => format!("\"sha256-{}\"", file.sha256),
        made => format!("\"sha256-{}-{}\"", file.sha256, made.as_str()),
    }
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}
