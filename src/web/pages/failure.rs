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
