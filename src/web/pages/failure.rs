//! Any error, as a page: the sentence, what to do, and the code for the support call.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use super::Chrome;
use crate::web::error::ApiError;
use crate::web::static_files;

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
pub(in crate::web) fn render(error: &ApiError, request_id: &str) -> Response {
    let chrome = Chrome { asset_version: static_files::version().to_owned(), ..Chrome::default() };
    let page = FailurePage {
        chrome,
        status: error.status.as_u16(),
        title: error.status.canonical_reason().unwrap_or("Error").to_owned(),
        detail: sentence(&error.detail),
        hint: error.hint.as_deref().map(sentence),
        code: error.code.to_owned(),
        request_id: request_id.to_owned(),
    };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(_) => error.detail.to_string().into_response(),
    }
}

/// Errors are clauses; a page shows sentences.
pub(super) fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if clause.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
