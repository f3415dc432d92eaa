//! Errors in the shapes that existing clients know.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::debug_stream;
use crate::web::error::ApiError;

/// The one code whose envelope is another on the bundle routes.
pub(super) const ALREADY_EXISTS: &str = "EXTENSION_VERSION_ALREADY_EXISTS";
/// Why `upload-proxy` failed, in a word.
pub(super) const WHY: HeaderName = HeaderName::from_static("x-upload-proxy-why");

/// Routes whose errors look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Family {
    UploadProxy,
    /// The other `/api/ext-bundles` routes.
    Bundles,
    /// `/api/v1/extensions/{install,uninstall,update}`.
    Installs,
    /// `/api/ext-debug/stream`.
    DebugStream,
}

/// The family that an address belongs to, if it is one of existing clients.
pub(in crate::web) fn family_of(path: &str) -> Option<Family> {
    match path {
        "/api/ext-bundles/upload-proxy" => Some(Family::UploadProxy),
        "/api/v1/extensions/install"
        | "/api/v1/extensions/uninstall"
        | "/api/v1/extensions/update" => Some(Family::Installs),
        "/api/ext-debug/stream" => Some(Family::DebugStream),
        _ => path.starts_with("/api/ext-bundles/").then_some(Family::Bundles),
    }
}

/// The status of an error: what storage does wrong is a plain 500 here.
pub(in crate::web) fn status_of(error: &ApiError) -> StatusCode {
    match error.code {
        "storage_unavailable" | "integrity" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => error.status,
    }
}

/// Numbers and reports, for the client's mistakes only.
fn details_of(error: &ApiError) -> Option<Value> {
    if status_of(error).is_server_error() {
        return None;
    }
    let mut extra = error.extra.iter();
    match extra.find(|(name, _)| *name == "details") {
        Some((_, details)) => Some(details.clone()),
        None if error.extra.is_empty() => None,
        None => {
            let member = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
            Some(Value::Object(error.extra.iter().map(member).collect()))
        }
    }
}

impl Family {
    /// Writes an error, without its status and its headers.
    pub(in crate::web) fn write(self, error: &ApiError) -> Response {
        if self == Self::DebugStream {
            return Json(json!({ "error": debug_stream::sentence(error) })).into_response();
        }
        let code = self.code_of(error.code);
        let text = match &error.hint {
            Some(hint) => format!("{}: {hint}", error.detail),
            None => error.detail.to_string(),
        };
        let mut inner = Map::new();
        inner.insert("code".to_owned(), code.as_ref().into());
        inner.extend(details_of(error).map(|details| ("details".to_owned(), details)));
        let body = if self == Self::Installs || code == ALREADY_EXISTS {
            inner.insert("message".to_owned(), text.into());
            let mut body = json!({ "error": inner });
            if self != Self::Installs {
                body["success"] = false.into();
            }
            body
        } else {
            inner.insert("error".to_owned(), text.into());
            Value::Object(inner)
        };
        let mut response = Json(body).into_response();
        if self == Self::UploadProxy
            && let Ok(why) = HeaderValue::from_str(&why_of(&code, status_of(error)))
        {
            // What the route itself says replaces it.
            response.headers_mut().insert(WHY, why);
        }
        response
    }

    /// Our words in theirs; what the routes say themselves is theirs already.
    fn code_of(self, code: &str) -> Cow<'_, str> {
        let installs = self == Self::Installs;
        match code {
            "unauthenticated" => "UNAUTHORIZED".into(),
            "capability_denied" | "cross_site" if installs => "FORBIDDEN".into(),
            "capability_denied" | "cross_site" => "RBAC_FORBIDDEN".into(),
            "malformed_request" | "too_large" if installs => "VALIDATION_ERROR".into(),
            "malformed_request" | "too_large" => "BAD_REQUEST".into(),
            "rate_limited" | "too_many_uploads" | "too_many_upload_bytes" => "RATE_LIMIT".into(),
            "internal" => "INTERNAL_ERROR".into(),
            "storage_unavailable" | "integrity" => match self {
                Self::UploadProxy => "S3_PUT_FAILED".into(),
                // `finalize` says itself which step failed.
                Self::Bundles | Self::Installs | Self::DebugStream => "INTERNAL_ERROR".into(),
            },
            other => other.to_ascii_uppercase().into(),
        }
    }
}

fn why_of(code: &str, status: StatusCode) -> String {
    match code {
        "RBAC_FORBIDDEN" | "TENANT_MISMATCH" => "rbac_forbidden_missing_admin_header".to_owned(),
        "RATE_LIMIT" => "rate_limited".to_owned(),
        "INTERNAL_ERROR" => "unhandled_exception".to_owned(),
        _ if status == StatusCode::BAD_REQUEST => "bad_request".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_addresses_of_existing_clients_have_a_family() {
        assert_eq!(family_of("/api/ext-bundles/upload-proxy"), Some(Family::UploadProxy));
        assert_eq!(family_of("/api/ext-bundles/finalize"), Some(Family::Bundles));
        assert_eq!(family_of("/api/v1/extensions/install"), Some(Family::Installs));
        assert_eq!(family_of("/api/ext-debug/stream"), Some(Family::DebugStream));
        for ours in ["/api/v1/extensions/com.acme.a", "/api/v1/extensions", "/api/ext/a", "/"] {
            assert_eq!(family_of(ours), None, "{ours}");
        }
    }

    #[test]
    fn a_failure_of_ours_says_nothing_but_its_code() {
        let error = ApiError::internal("the disk is on fire").extra("limit_bytes", 1);

        assert_eq!(Family::Bundles.code_of(error.code), "INTERNAL_ERROR");
        assert_eq!(details_of(&error), None);
    }
}
