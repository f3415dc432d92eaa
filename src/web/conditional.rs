//! Conditional and range requests (RFC 9110 sections 13 and 14), for files whose
//! content never changes under their tag.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;

/// The part of a file that a request asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Range {
    Whole,
    /// From the first, to one past the last byte.
    Part(u64, u64),
    Impossible,
}

/// Whether the client's copy is good: a list of tags, or `*`; weak tags compare
/// equal (section 13.1.2).
pub(super) fn is_fresh(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

/// 304: the client's copy is good. It says nothing of a length: the router would
/// write that of the empty body, and a client would take it for the file's (section 8.6).
pub(super) fn unchanged(headers: HeaderMap) -> Response {
    let mut response = Response::new(no_body());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = headers;
    response
}

/// A body that is not there, and of which the router says no length.
pub(super) fn no_body() -> Body {
    Body::new(NoBody)
}

/// Ends at once, and does not say before how long it is.
struct NoBody;

impl http_body::Body for NoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

impl Range {
    /// One byte range (section 14.2); anything else is answered whole. The tag is the
    /// strong one of the file.
    pub(super) fn of(headers: &HeaderMap, etag: impl FnOnce() -> String, size: u64) -> Self {
        let Some(value) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
            return Self::Whole;
        };
        // The part is of another file if the tag changed.
        if headers.get(header::IF_RANGE).is_some_and(|tag| *tag != *etag()) {
            return Self::Whole;
        }
        // Names of units have no case (section 14.1).
        let spec = value.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
        let Some((first, last)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
            return Self::Whole;
        };
        let (from, to) = match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(size)),
            (Some(from), None) if last.is_empty() => (from, size),
            (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), size),
            _ => return Self::Whole,
        };
        if from < to { Self::Part(from, to) } else { Self::Impossible }
    }

    /// The bytes to send of `size`; `None` when they cannot be.
    pub(super) fn bytes(&self, size: u64) -> Option<std::ops::Range<u64>> {
        match self {
            Self::Whole => Some(0..size),
            Self::Part(from, to) => Some(*from..*to),
            Self::Impossible => None,
        }
    }

    /// Makes `response` the answer to this range: status and the headers of a body.
    pub(super) fn describe(&self, response: &mut Response, size: u64) {
        let bytes = self.bytes(size).unwrap_or(0..size);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Self::Part(from, to) = self {
            let value = format!("bytes {from}-{}/{size}", to - 1);
            let value = HeaderValue::try_from(value).expect("digits are visible ASCII");
            headers.insert(header::CONTENT_RANGE, value);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
}

/// Digits and nothing else: parsing would take a sign, too.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// 416: the file has no such bytes.
pub(super) fn unsatisfiable(size: u64) -> Response {
    let headers = [
        (header::CONTENT_RANGE, format!("bytes */{size}")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range_text: &'static str) -> Range {
        let headers = [(header::RANGE, HeaderValue::from_static(range_text))];
        Range::of(&headers.into_iter().collect(), || "\"a\"".to_owned(), 100)
    }

    #[test]
    fn one_range_is_served_and_odd_ones_are_answered_whole() {
        assert_eq!(asked("bytes=0-9"), Range::Part(0, 10));
        assert_eq!(asked("bytes=90-"), Range::Part(90, 100));
        assert_eq!(asked("bytes=-5"), Range::Part(95, 100));
        assert_eq!(asked("bytes=50-999"), Range::Part(50, 100));
        assert_eq!(asked("bytes=100-"), Range::Impossible);
        assert_eq!(asked("bytes=-0"), Range::Impossible);
        assert_eq!(asked("Bytes=0-9"), Range::Part(0, 10));
        for odd in [
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=9-1",
            "bytes=+1-2",
            "bytes=x-y",
            "bytes=",
            "bytes",
        ] {
            assert_eq!(asked(odd), Range::Whole, "{odd}");
        }
    }

    #[test]
    fn any_of_several_tags_makes_a_copy_fresh() {
        let with = |text: &'static str| {
            [(header::IF_NONE_MATCH, HeaderValue::from_static(text))].into_iter().collect()
        };

        assert!(is_fresh(&with("\"x\", W/\"a\""), "\"a\""));
        assert!(is_fresh(&with("*"), "\"a\""));
        assert!(!is_fresh(&with("\"x\""), "\"a\""));
    }
}
