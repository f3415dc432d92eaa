//! Every error that leaves the appliance, as RFC 9457 problem responses.

mod from_app;
mod from_bodies;
mod from_keeping;
mod from_learning;
mod from_logs;
mod from_people;
mod from_running;
mod from_secrets;
mod from_uploads;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::compat::{Family, family_of, status_of};
use super::pages;

/// What makes room and needs none itself.
const FREE_DISK: &str = "free disk space on the appliance: stop it, delete `cache` in its data \
                         folder, which is made again, and lower `store.cache_bytes`";

/// An error response: what the client may know, and what only the log may know.
#[derive(Debug)]
pub struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: Box<str>,
    pub(super) hint: Option<Box<str>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// More members of the problem, as `report` or `problems`.
    pub(super) extra: Vec<(&'static str, serde_json::Value)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// In which form the clients of an address expect its errors.
#[derive(Clone, Copy)]
enum Shape {
    Problem,
    /// `/api/ext*`: also `error` and `requestId` (docs/API.md, "Errors").
    Gateway,
    Page,
    /// What existing clients know (docs/API.md, "Existing clients").
    Compat(Family),
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    gateway_request_id: Option<&'a str>,
    #[serde(flatten)]
    extra: BTreeMap<&'static str, &'a serde_json::Value>,
}

/// On every 401 (RFC 9110 section 15.5.2); browsers ask nobody because of it.
pub(super) const CHALLENGE: (HeaderName, &str) =
    (header::WWW_AUTHENTICATE, "Bearer realm=\"plugboard\"");

/// An error on its way to the middleware that writes it.
#[derive(Clone)]
pub(super) struct PendingError(Arc<Mutex<Option<ApiError>>>);

impl ApiError {
    /// The client is wrong; `detail` is for it.
    pub(super) fn client(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into().into_boxed_str(),
            hint: None,
            headers: Vec::new(),
            extra: Vec::new(),
            cause: None,
        }
    }

    /// The appliance failed; the cause goes to the log and never to the client.
    pub(super) fn server(
        status: StatusCode,
        code: &'static str,
        detail: &str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { cause: Some(cause.into()), ..Self::client(status, code, detail) }
    }

    pub(super) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "the appliance could not complete the request";
        Self::server(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, cause)
    }

    /// Of a full disk the caller learns that there is something to do.
    pub(super) fn disk_full(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "the disk of the appliance is full";
        Self::server(StatusCode::INSUFFICIENT_STORAGE, "disk_full", detail, cause).hint(FREE_DISK)
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::client(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::client(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "this address does not answer this method";
        Self::client(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        let (name, value) = CHALLENGE;
        Self::client(StatusCode::UNAUTHORIZED, "unauthenticated", detail).header(name, value)
    }

    /// `limit` is of `server.max_url_bytes`.
    pub(super) fn url_too_long(found: usize, limit: usize) -> Self {
        let detail = format!("the path and query have {found} bytes; up to {limit} are read");
        Self::client(StatusCode::URI_TOO_LONG, "url_too_long", detail)
    }

    /// A token was sent, and it is good for nothing.
    pub(super) fn unknown_token() -> Self {
        Self::unauthenticated("the token is unknown, revoked or expired")
            .hint("`plugboard token list` shows which are good; `plugboard token create` makes one")
    }

    /// A token with `scope` could do it.
    pub(super) fn lacks_scope(scope: &str, detail: impl Into<String>) -> Self {
        Self::forbidden(detail).hint(format!(
            "make a token with this scope: `plugboard token create --name NAME --scope {scope}`"
        ))
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::client(StatusCode::FORBIDDEN, "capability_denied", detail)
    }

    pub(super) fn cross_site() -> Self {
        let detail = "the request did not come from a page of this appliance";
        Self::client(StatusCode::FORBIDDEN, "cross_site", detail)
            .hint("reload the page and try again; scripts use an API token")
    }

    pub(super) fn step_up_required(minutes: u64) -> Self {
        let detail = format!("this needs a password entered within the last {minutes} minutes");
        Self::client(StatusCode::FORBIDDEN, "step_up_required", detail)
            .hint("enter the password again at /admin/step-up")
    }

    pub(super) fn setup_required() -> Self {
        let detail = "this appliance is not set up yet";
        Self::client(StatusCode::SERVICE_UNAVAILABLE, "setup_required", detail).hint(
            "open /setup with the token from the log or from `setup-token` in the data folder",
        )
    }

    pub(super) fn too_large(what: &str, limit: u64, found: Option<u64>) -> Self {
        let found = found.map(|found| format!(" and this one has {found}")).unwrap_or_default();
        let detail = format!("{what} has at most {limit} bytes here{found}");
        let mut error = Self::client(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail);
        error.extra.push(("limit_bytes", limit.into()));
        error
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, &seconds.to_string())
    }

    pub(super) fn extra(mut self, name: &'static str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => self.extra.push((name, value)),
            Err(error) => return Self::internal(error),
        }
        self
    }

    pub(super) fn is_unauthenticated(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Writes the answer. The one place where failures are logged.
    pub(super) fn into_final_response(
        self,
        path: &str,
        request_id: &str,
        chrome: impl FnOnce() -> pages::Chrome,
    ) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(
                request.id = request_id,
                code = self.code,
                error = &**cause as &dyn Error,
                "Request failed: {}",
                chain(&**cause),
            );
        }
        let shape = shape_of(path);
        let mut response = match shape {
            Shape::Page => pages::failure::render(&self, path, request_id, chrome()),
            Shape::Problem => self.problem(request_id, false),
            Shape::Gateway => self.problem(request_id, true),
            Shape::Compat(family) => family.write(&self),
        };
        *response.status_mut() = match shape {
            Shape::Compat(_) => status_of(&self),
            Shape::Page | Shape::Problem | Shape::Gateway => self.status,
        };
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response
    }

    fn problem(&self, request_id: &str, gateway: bool) -> Response {
        let problem = Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            hint: self.hint.as_deref(),
            request_id,
            error: gateway.then(|| gateway_word(self.code)),
            gateway_request_id: gateway.then_some(request_id),
            extra: self.extra.iter().map(|(name, value)| (*name, value)).collect(),
        };
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        (content_type, Json(problem)).into_response()
    }
}

/// The words existing clients know (docs/API.md, "Errors").
fn gateway_word(code: &'static str) -> &'static str {
    match code {
        "too_large" => "payload_too_large",
        "extension_failed" | "extension_failing" | "extension_timeout" | "integrity" => {
            "bad_gateway"
        }
        "capability_denied" | "cross_site" => "forbidden",
        "busy" | "storage_unavailable" => "access_policy_unavailable",
        other => other,
    }
}

/// Whether an address is opened by people in a browser.
pub(super) fn is_page(path: &str) -> bool {
    matches!(shape_of(path), Shape::Page)
}

fn shape_of(path: &str) -> Shape {
    if let Some(family) = family_of(path) {
        Shape::Compat(family)
    } else if path.starts_with("/api/ext/") || path.starts_with("/api/ext-proxy/") {
        Shape::Gateway
    } else if path.starts_with("/api/")
        || path.starts_with("/ext-ui/")
        || ["/healthz", "/readyz", "/metrics"].contains(&path)
    {
        Shape::Problem
    } else {
        Shape::Page
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl PendingError {
    /// The error inside, once.
    pub(super) fn take(&self) -> Option<ApiError> {
        self.0.lock().ok()?.take()
    }
}

impl IntoResponse for ApiError {
    /// Leaves the writing to the middleware, which knows path and request id.
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = status.into_response();
        let pending = PendingError(Arc::new(Mutex::new(Some(self))));
        response.extensions_mut().insert(pending);
        response
    }
}
