//! The id of a request: in its log lines, its answer and what a guest is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};

use super::error::ApiError;

/// The header that brings and returns it.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id if it is plain, else a new one. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(super) struct RequestId {
    text: Arc<str>,
    header: HeaderValue,
}

impl RequestId {
    fn new(text: &str) -> Self {
        let header = HeaderValue::from_str(text).expect("an id is letters, digits and `._-`");
        Self { text: text.into(), header }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let id = parts.extensions.get::<Self>().cloned();
        id.ok_or_else(|| ApiError::internal("a request passed no request id layer"))
    }
}

/// Makes ids that nobody can guess and that do not repeat, without asking the
/// system for randomness each time: a keyed hash of a counter.
pub(super) struct RequestIds {
    key: [u8; 32],
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system has randomness, as tokens need it too");
        Self { key, next: AtomicU64::new(0) }
    }

    /// The client's own id if it is plain, else a new one of 32 hex digits.
    pub(super) fn id_of(&self, request: &Request) -> RequestId {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let sent = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent {
            Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(plain) => RequestId::new(id),
            _ => self.make(),
        }
    }

    fn make(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(&self.key, &count.to_le_bytes());
        let mut digits = [0; 32];
        hex::encode_to_slice(&hash.as_bytes()[..16], &mut digits)
            .expect("sixteen bytes are thirty-two digits");
        RequestId::new(str::from_utf8(&digits).expect("hex digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_do_not_repeat_and_are_not_those_of_another_appliance() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let ids = [one.make(), one.make(), other.make(), other.make()];

        let distinct: std::collections::HashSet<_> = ids.iter().map(RequestId::as_str).collect();
        assert_eq!(distinct.len(), 4);
        let is_hex = |id: &RequestId| id.as_str().bytes().all(|b| b.is_ascii_hexdigit());
        assert!(ids.iter().all(|id| id.as_str().len() == 32 && is_hex(id)));
        assert!(ids.iter().all(|id| id.header().as_bytes() == id.as_str().as_bytes()));
    }
}
