//! `/api/v1/manifest.schema.json`

use axum::http::header;
use axum::response::IntoResponse;

use crate::model::Manifest;

/// The JSON Schema of `manifest.json`, for editors.
pub(crate) async fn show_manifest_schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/schema+json")], Manifest::json_schema().to_string())
}
