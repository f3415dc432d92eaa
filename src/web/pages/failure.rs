//! Any error, as a page: the sentence, what to do, and the code for the support call.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::Chrome;
use super::show::plain_chrome;
use crate::app::App;
use crate::app::sign_in::csrf_token;
use crate::web::error::ApiError;

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
    /// Where to enter the password again, if that is what is missing.
    pub step_up: Option<String>,
    /// Where else to go on: an address, and what the button says.
    pub way: Option<(String, &'static str)>,
    pub code: String,
    pub request_id: String,
}

impl FailurePage {
    pub(super) fn new(error: &ApiError, path: &str, request_id: &str, chrome: Chrome) -> Self {
        Self {
            chrome,
            status: error.status.as_u16(),
            title: title(error.status),
            detail: sentence(&error.detail),
            hint: error.hint.as_deref().map(sentence),
            step_up: (error.code == "step_up_required").then(|| step_up_address(path)),
            way: None,
            code: error.code.to_owned(),
            request_id: request_id.to_owned(),
        }
    }
}

/// The frame around an error: whoever is signed in keeps theirs.
pub(in crate::web) fn chrome(app: &App, cookie: Option<&str>) -> Chrome {
    let signed_in = |cookie: &str| {
        let session = app.authenticate_session(cookie)?;
        Some((session.operator.to_string(), csrf_token(cookie)))
    };
    match cookie.and_then(signed_in) {
        Some((operator, csrf_token)) => {
            Chrome { operator: Some(operator), csrf_token, ..plain_chrome(app) }
        }
        None => plain_chrome(app),
    }
}

/// Writes an error as a page.
pub(in crate::web) fn render(
    error: &ApiError,
    path: &str,
    request_id: &str,
    chrome: Chrome,
) -> Response {
    match FailurePage::new(error, path, request_id, chrome).render() {
        Ok(html) => Html(html).into_response(),
        Err(_) => error.detail.to_string().into_response(),
    }
}

/// The page for the password, which leads back to `path`.
fn step_up_address(path: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/admin/step-up?{}", query.append_pair("next", path).finish())
}

/// The reason of a status in sentence case, as every title is.
fn title(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("Error").to_lowercase();
    capitalized(&reason)
}

/// Errors are clauses; a page shows sentences. One that begins with a name keeps it as it is.
pub(super) fn sentence(clause: &str) -> String {
    let end = if clause.ends_with(['.', '!', '?']) { "" } else { "." };
    let first = clause.split(' ').next().unwrap_or_default();
    let is_word = first.bytes().all(|byte| byte.is_ascii_alphabetic());
    let begun = if is_word { capitalized(clause) } else { clause.to_owned() };
    begun + end
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_sentences_are_in_sentence_case_and_names_stay_as_they_are() {
        assert_eq!(title(StatusCode::NOT_FOUND), "Not found");
        assert_eq!(title(StatusCode::INTERNAL_SERVER_ERROR), "Internal server error");
        assert_eq!(sentence("there is nothing here"), "There is nothing here.");
        assert_eq!(sentence("com.example.sync has no page"), "com.example.sync has no page.");
        assert_eq!(sentence("`store.base` is wrong."), "`store.base` is wrong.");
    }

    #[tokio::test]
    async fn a_missing_password_has_its_link_and_nothing_else_has() {
        let html = async |error: &ApiError| {
            let body = render(error, "/admin/a?b", "r1", Chrome::default()).into_body();
            let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let link = "href=\"/admin/step-up?next=%2Fadmin%2Fa%3Fb\"";

        assert!(html(&ApiError::step_up_required(10)).await.contains(link));
        assert!(!html(&ApiError::cross_site()).await.contains("/admin/step-up"));
    }
}
