//! The stylesheet, scripts and icon, embedded in the binary.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::cache::CachePolicy;
use super::conditional::{is_fresh, unchanged};
use super::error::ApiError;
use super::extract::Path;
use crate::model::{AssetPath, media_type};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// `/static/{*path}`
pub(super) async fn show_static_file(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::not_found("there is no such file");
    let path: AssetPath = path.parse().map_err(|_| unknown())?;
    let file = Files::get(path.as_str()).ok_or_else(unknown)?;
    let etag = format!("\"sha256-{}\"", hex::encode(file.metadata.sha256_hash()));
    let fresh = is_fresh(&headers, &etag);
    let kept = [
        (header::ETAG, HeaderValue::try_from(etag).map_err(ApiError::internal)?),
        (header::CACHE_CONTROL, CachePolicy::Revalidate.into()),
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(&path))),
    ];
    if fresh {
        return Ok(unchanged(kept.into_iter().collect()));
    }
    Ok((kept, file.data.into_owned()).into_response())
}

/// A word that changes whenever a static file does: pages put it into links.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hasher = blake3::Hasher::new();
        for file in Files::iter().filter_map(|name| Files::get(&name)) {
            hasher.update(&file.metadata.sha256_hash());
        }
        hasher.finalize().to_hex()[..12].to_owned()
    });
    &VERSION
}
