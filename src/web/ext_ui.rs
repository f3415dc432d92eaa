//! `/ext-ui/{name}/{hash}/{*path}`: extension pages, immutable by their address.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::cache::CachePolicy;
use super::error::ApiError;
use super::extract::Path;
use crate::app::App;
use crate::app::assets::{AssetError, AssetLocation};
use crate::model::FileEntry;

/// Serves one file. Cookies that came along are neither read nor logged.
pub(super) async fn show_asset(
    State(app): State<Arc<App>>,
    Path((name, hash, path)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A worker outlives the page and would answer for it after a revocation.
    if headers.contains_key("service-worker") {
        return Err(ApiError::forbidden("extension pages may not register service workers"));
    }
    let location = parse_location(&name, &hash, path)?;
    let asset = app.find_asset(&location)?;
    let file = asset.entry();
    let kept = lasting_headers(&app, file)?;
    if is_fresh(&headers, &etag(file)) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let range = match range(&headers, file) {
        Range::Whole => None,
        Range::Part(from, to) => Some((from, to)),
        Range::Impossible => return Ok(unsatisfiable(file)),
    };
    let (from, to) = range.unwrap_or((0, file.size));
    let mut response = if method == Method::HEAD {
        Body::empty()
    } else {
        let mut opened = tokio::fs::File::from_std(app.open_asset(&asset).await?.file);
        if from > 0 {
            opened.seek(std::io::SeekFrom::Start(from)).await.map_err(ApiError::internal)?;
        }
        Body::from_stream(ReaderStream::with_capacity(opened.take(to - from), 64 * 1024))
    }
    .into_response();
    *response.headers_mut() = kept;
    let out = response.headers_mut();
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if range.is_some() {
        let value = format!("bytes {from}-{}/{}", to - 1, file.size);
        out.insert(
            header::CONTENT_RANGE,
            HeaderValue::try_from(value).map_err(ApiError::internal)?,
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn parse_location(name: &str, hash: &str, path: String) -> Result<AssetLocation, ApiError> {
    let unknown = || ApiError::from(AssetError::NotFound);
    Ok(AssetLocation {
        name: name.parse().map_err(|_| unknown())?,
        content_hash: hash.parse().map_err(|_| unknown())?,
        path,
    })
}

/// The headers of a 200, 206 and 304 alike.
fn lasting_headers(app: &App, file: &FileEntry) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    let value = |text: String| HeaderValue::try_from(text).map_err(ApiError::internal);
    headers.insert(header::ETAG, value(etag(file))?);
    headers.insert(header::CONTENT_TYPE, value(file.media_type.clone())?);
    let document = file.media_type.starts_with("text/html");
    let policy = if document && app.config.ext_ui.revalidate_documents {
        CachePolicy::Revalidate
    } else {
        CachePolicy::Immutable
    };
    headers.insert(header::CACHE_CONTROL, policy.into());
    if file.media_type == "application/octet-stream" {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(headers)
}

fn etag(file: &FileEntry) -> String {
    format!("\"sha256-{}\"", file.sha256)
}

/// RFC 9110 section 13.1.2: a list of tags, or `*`; weak tags compare equal.
fn is_fresh(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

#[derive(Debug, PartialEq)]
enum Range {
    Whole,
    /// From the first, to one past the last byte.
    Part(u64, u64),
    Impossible,
}

/// One byte range (RFC 9110 section 14.2); anything else is answered whole.
fn range(headers: &HeaderMap, file: &FileEntry) -> Range {
    let Some(value) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Range::Whole;
    };
    // The part is of another file if the tag changed.
    if let Some(tag) = headers.get(header::IF_RANGE)
        && tag != etag(file).as_str()
    {
        return Range::Whole;
    }
    let Some(spec) = value.strip_prefix("bytes=").filter(|spec| !spec.contains(',')) else {
        return Range::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Range::Whole };
    let size = file.size;
    let (from, to) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), Ok(last)) if from <= last => (from, last.saturating_add(1).min(size)),
        (Ok(from), Err(_)) if last.is_empty() => (from, size),
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size),
        _ => return Range::Whole,
    };
    if from < to { Range::Part(from, to) } else { Range::Impossible }
}

fn unsatisfiable(file: &FileEntry) -> Response {
    let headers = [
        (header::CONTENT_RANGE, format!("bytes */{}", file.size)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> FileEntry {
        FileEntry {
            path: "ui/a.js".parse().unwrap(),
            size: 100,
            sha256: [7; 32].into(),
            media_type: "text/javascript".to_owned(),
        }
    }

    fn asked(range_text: &'static str) -> Range {
        let headers = [(header::RANGE, HeaderValue::from_static(range_text))];
        range(&headers.into_iter().collect(), &file())
    }

    #[test]
    fn one_range_is_served_and_odd_ones_are_answered_whole() {
        assert_eq!(asked("bytes=0-9"), Range::Part(0, 10));
        assert_eq!(asked("bytes=90-"), Range::Part(90, 100));
        assert_eq!(asked("bytes=-5"), Range::Part(95, 100));
        assert_eq!(asked("bytes=50-999"), Range::Part(50, 100));
        assert_eq!(asked("bytes=100-"), Range::Impossible);
        assert_eq!(asked("bytes=-0"), Range::Impossible);
        for odd in ["bytes=0-1,5-6", "items=0-1", "bytes=9-1", "bytes=x-y", "bytes="] {
            assert_eq!(asked(odd), Range::Whole, "{odd}");
        }
    }

    #[test]
    fn any_of_several_tags_makes_a_copy_fresh() {
        let tag = etag(&file());
        let with = |text: String| {
            [(header::IF_NONE_MATCH, HeaderValue::try_from(text).unwrap())].into_iter().collect()
        };

        assert!(is_fresh(&with(format!("\"x\", W/{tag}")), &tag));
        assert!(is_fresh(&with("*".to_owned()), &tag));
        assert!(!is_fresh(&with("\"x\"".to_owned()), &tag));
    }
}
