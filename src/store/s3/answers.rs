//! Answers that say 200 and mean a failure.
//!
//! `CompleteMultipartUpload` and `CopyObject` begin to answer before they are
//! done, so their failure comes in the body; and a broken proxy can do that to
//! any answer. Nothing that is kept here begins with `<`: an XML answer whose
//! root is `Error` is never an object of ours.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use object_store::client::{HttpError, HttpErrorKind, HttpResponse};
use quick_xml::events::Event;
use serde::Deserialize;

/// The largest XML answer: a listing of 1,000 keys has a tenth of it.
const MAX_XML_BYTES: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
struct ErrorDocument {
    #[serde(rename = "Code", default)]
    code: String,
}

/// An XML answer is too large to be one of S3.
#[derive(Debug, thiserror::Error)]
#[error("an XML answer could not be read: {0}")]
struct UnreadableAnswer(String);

/// Gives an answer that is a failure in disguise the status it deserves.
pub(super) async fn unmask(
    method: &Method,
    answer: HttpResponse,
) -> Result<HttpResponse, HttpError> {
    if method == Method::HEAD || !answer.status().is_success() || !is_xml(answer.headers()) {
        return Ok(answer);
    }
    let (mut parts, body) = answer.into_parts();
    let body = Limited::new(body, MAX_XML_BYTES).collect().await.map_err(|error| match error
        .downcast::<HttpError>(
    ) {
        Ok(error) => *error,
        Err(error) => HttpError::new(HttpErrorKind::Decode, UnreadableAnswer(error.to_string())),
    })?;
    let body = body.to_bytes();
    if let Some(code) = error_code(&body) {
        parts.status = status_of(&code);
        parts.headers.remove(CONTENT_LENGTH);
    }
    Ok(HttpResponse::from_parts(parts, body.into()))
}

fn is_xml(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/xml") || kind.eq_ignore_ascii_case("text/xml")
}

/// The code in a document whose root is `Error`; empty if it has none.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        let event = reader.read_event().ok()?;
        if let Event::Start(root) | Event::Empty(root) = &event {
            if root.local_name().as_ref() != b"Error" {
                return None;
            }
            break;
        }
        if matches!(event, Event::Eof) {
            return None;
        }
    }
    let document: Result<ErrorDocument, _> = quick_xml::de::from_str(text);
    Some(document.map(|document| document.code).unwrap_or_default())
}

fn status_of(code: &str) -> StatusCode {
    match code {
        "PreconditionFailed" | "ConditionalRequestConflict" => StatusCode::PRECONDITION_FAILED,
        "NoSuchUpload" | "NoSuchKey" => StatusCode::NOT_FOUND,
        "AccessDenied" => StatusCode::FORBIDDEN,
        // Whatever else it is, the request did not do its work, and can be repeated.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn unmasked(kind: &str, body: &str) -> (StatusCode, Bytes) {
        let answer = http::Response::builder()
            .header(CONTENT_TYPE, kind)
            .body(object_store::client::HttpResponseBody::from(body.to_owned()))
            .unwrap();
        let answer = unmask(&Method::POST, answer).await.unwrap();
        (answer.status(), answer.into_body().bytes().await.unwrap())
    }

    #[tokio::test]
    async fn an_error_document_with_status_200_is_a_failure() {
        for (code, status) in [
            ("InternalError", 500),
            ("SlowDown", 500),
            ("NoSuchUpload", 404),
            ("NoSuchKey", 404),
            ("PreconditionFailed", 412),
            ("ConditionalRequestConflict", 412),
            ("AccessDenied", 403),
        ] {
            let body = format!("<?xml version=\"1.0\"?>\n  <Error><Code>{code}</Code></Error>");

            let (found, kept) = unmasked("application/xml", &body).await;

            assert_eq!((found.as_u16(), &kept[..]), (status, body.as_bytes()));
        }
    }

    #[tokio::test]
    async fn an_error_without_a_code_is_a_failure_too() {
        for body in ["<Error/>", "<Error><Message>no</Message></Error>", "<Error><Code>"] {
            assert_eq!(unmasked("text/xml; charset=utf-8", body).await.0.as_u16(), 500, "{body}");
        }
    }

    #[tokio::test]
    async fn a_document_without_an_end_is_not_taken_into_memory() {
        let answer = http::Response::builder()
            .header(CONTENT_TYPE, "application/xml")
            .body(object_store::client::HttpResponseBody::from(vec![b' '; MAX_XML_BYTES + 1]))
            .unwrap();

        assert!(unmask(&Method::GET, answer).await.is_err());
    }

    #[tokio::test]
    async fn other_documents_and_other_kinds_pass() {
        let listing = "<ListBucketResult><Name>Error</Name></ListBucketResult>";
        for (kind, body) in [
            ("application/xml", listing),
            ("application/xml", ""),
            ("application/octet-stream", "<Error><Code>InternalError</Code></Error>"),
        ] {
            assert_eq!(unmasked(kind, body).await, (StatusCode::OK, body.as_bytes().into()));
        }
    }
}
