//! The JSON bodies of existing clients: members that nobody knows are ignored.

use axum::body::Body;
use serde_json::{Map, Value};

use crate::model::ContentHash;
use crate::web::error::ApiError;

/// Bytes of a body: a manifest as text in JSON, every character of it escaped.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// The object in a request's body.
#[derive(Debug)]
pub(super) struct JsonObject(Map<String, Value>);

impl JsonObject {
    /// Reads a body to its end.
    pub(super) async fn read(body: Body) -> Result<Self, ApiError> {
        let bytes = axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
            let source = std::error::Error::source(&error);
            if source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
                ApiError::too_large("the body", MAX_BODY_BYTES as u64, None)
            } else {
                ApiError::malformed("the body broke off")
            }
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ApiError::malformed("the body must be a JSON object")),
            Err(error) => Err(ApiError::malformed(format!("the body is not JSON: {error}"))),
        }
    }

    /// A member, if it is there and not null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there and have something in it.
    pub(super) fn required_text(&self, name: &str) -> Result<&str, ApiError> {
        let text = self.text(name)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| ApiError::malformed(format!("`{name}` is missing or empty")))
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::malformed(format!("`{name}` must be a string"))),
        }
    }

    /// The size of a bundle, which may be absent.
    pub(super) fn size(&self, limit: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.get("size") else { return Ok(None) };
        match value.as_u64() {
            Some(size) if (1..=limit).contains(&size) => Ok(Some(size)),
            Some(size) if size > limit => Err(over_limit(size, limit)),
            _ => Err(ApiError::malformed(format!(
                "`size` must be a number of bytes from 1 to {limit}"
            ))),
        }
    }

    /// The hash that the sender declares, which may be absent.
    pub(super) fn declared_hash(&self) -> Result<Option<ContentHash>, ApiError> {
        self.text("declaredHash")?.map(bare_hash).transpose()
    }

    /// An object that may be absent.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members.clone()))),
            Some(_) => Err(ApiError::malformed(format!("`{name}` must be an object"))),
        }
    }
}

/// A hash as these clients write it: 64 hex digits without a prefix.
pub(super) fn bare_hash(text: &str) -> Result<ContentHash, ApiError> {
    let hash = format!("sha256:{text}").parse();
    hash.map_err(|_| ApiError::malformed("`declaredHash` must be 64 lower-case hex digits"))
}

/// A bundle that is larger than one may be.
pub(super) fn over_limit(size: u64, limit: u64) -> ApiError {
    ApiError::malformed(format!("the bundle has {size} bytes; {limit} are allowed"))
        .hint("ask an operator to raise `store.max_bundle_bytes`, or make the bundle smaller")
}
