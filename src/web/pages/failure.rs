//! Any error, as a page: the sentence, what to do, and the code for the support call.

use askama::Template;

use super::Chrome;

/// An `ApiError` for people.
#[derive(Debug, Template)]
#[template(path = "pages/failure.html")]
pub struct FailurePage {
    pub chrome: Chrome,
    pub status: u16,
    /// A few words: `Not found`.
    pub title: String,
    /// What happened, one sentence.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
    pub code: String,
    pub request_id: String,
}

/// Writes an error as a page.
pub(in crate::web) fn render(
    error: &crate::web::error::ApiError,
    request_id: &str,
) -> axum::response::Response {
    use axum::response::IntoResponse;
    let page = FailurePage {
        chrome: Chrome::default(),
        status: error.status.as_u16(),
        title: error.status.canonical_reason().unwrap_or("Error").to_owned(),
        detail: error.detail.clone(),
        hint: error.hint.clone(),
        code: error.code.to_owned(),
        request_id: request_id.to_owned(),
    };
    axum::response::Html(page.render().unwrap_or_default()).into_response()
}
