//! Addresses that are longer than `server.max_url_bytes`.

use axum::http::Uri;

use crate::app::App;
use crate::web::error::ApiError;

/// Bytes of such a path that its line in the log shows.
const SHOWN_BYTES: usize = 256;

/// The refusal of a path and query that are too long.
pub(super) fn refusal(app: &App, uri: &Uri) -> Option<ApiError> {
    let (found, limit) = (uri.path_and_query()?.as_str().len(), app.config.server.max_url_bytes);
    (found > limit).then(|| ApiError::url_too_long(found, limit))
}

/// The path up to where the log shows it.
pub(super) fn beginning(uri: &Uri) -> Uri {
    let shown = uri.path().get(..SHOWN_BYTES).unwrap_or(uri.path());
    shown.parse().unwrap_or_default()
}
