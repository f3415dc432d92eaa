//! `/ext-ui/{name}/{hash}/{*path}`: extension pages, immutable by their address.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::cache::CachePolicy;
use super::conditional::{Range, is_fresh, unsatisfiable};
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
    let range = Range::of(&headers, &etag(file), file.size);
    let Some(bytes) = range.bytes(file.size) else { return Ok(unsatisfiable(file.size)) };
    let mut response = if method == Method::HEAD {
        Body::empty()
    } else {
        let mut opened = tokio::fs::File::from_std(app.open_asset(&asset).await?.file);
        if bytes.start > 0 {
            opened.seek(std::io::SeekFrom::Start(bytes.start)).await.map_err(ApiError::internal)?;
        }
        let part = opened.take(bytes.end - bytes.start);
        Body::from_stream(ReaderStream::with_capacity(part, 64 * 1024))
    }
    .into_response();
    *response.headers_mut() = kept;
    range.describe(&mut response, file.size);
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
