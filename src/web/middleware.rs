//! What every request passes: its id, its errors, its headers, its log line.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::error::{ApiError, PendingError};
use super::headers::FixedHeaders;
use super::routes::Route;
use crate::app::App;
use crate::telemetry::RouteMetrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's own if it is plain, else a new one.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// What a handler wants the access line to name, put on its response.
#[derive(Clone, Debug)]
pub(super) struct LoggedExtension {
    pub(super) name: String,
    pub(super) tenant: String,
}

/// What passing needs, made once: one layer and not one per purpose, because
/// each costs every request some allocations.
pub(super) struct Passage {
    app: Arc<App>,
    fixed: FixedHeaders,
    /// By pattern.
    routes: HashMap<&'static str, RouteMetrics>,
    unmatched: RouteMetrics,
    ids: RequestIds,
}

impl Passage {
    pub(super) fn new(app: Arc<App>, table: &[Route]) -> Self {
        let metrics = |route: &Route| (route.path, RouteMetrics::new(route.path));
        Self {
            fixed: FixedHeaders::new(&app),
            routes: table.iter().map(metrics).collect(),
            unmatched: RouteMetrics::new("(none)"),
            ids: RequestIds::new(),
            app,
        }
    }
}

/// Gives a request its id, writes its error in the form that the address's
/// clients expect, sets the headers that every answer of the address carries,
/// and writes its one access line.
pub(super) async fn pass(
    State(passage): State<Arc<Passage>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = passage.ids.id_of(&request);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.and_then(|matched| passage.routes.get(matched.as_str()));
    let route = route.unwrap_or(&passage.unmatched);
    request.extensions_mut().insert(RequestId(id.clone()));

    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response =
        answer.unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response());
    let mut response = finish_error(response, uri.path(), &id);
    passage.fixed.set(uri.path(), response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }

    let elapsed = started.elapsed();
    passage.app.metrics.observe_request(route, response.status().as_u16(), elapsed);
    log(&id, &method, uri.path(), &response, elapsed);
    response
}

/// Query strings, cookies and credentials are never logged.
fn log(id: &str, method: &Method, path: &str, response: &Response, elapsed: Duration) {
    let (path, status) = (Printable(path), response.status().as_u16());
    let extension = response.extensions().get::<LoggedExtension>();
    let (name, tenant) =
        extension.map(|logged| (logged.name.as_str(), logged.tenant.as_str())).unzip();
    let duration_ms = elapsed.as_secs_f64() * 1_000.0;
    tracing::info!(
        target: "access",
        { request.id = id, http.method = %method, http.path = %path, http.status = status,
          extension.name = name, tenant.id = tenant, duration_ms },
        "{method} {path} {status}",
    );
}

/// A path as it may stand in a line.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
        if self.0.bytes().all(plain) { f.write_str(self.0) } else { self.0.escape_debug().fmt(f) }
    }
}

/// Makes ids that nobody can guess and that do not repeat, without asking the
/// system for randomness each time: a keyed hash of a counter.
struct RequestIds {
    key: [u8; 32],
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system has randomness, as tokens need it too");
        Self { key, next: AtomicU64::new(0) }
    }

    /// The client's own id if it is plain, else a new one of 32 hex digits.
    fn id_of(&self, request: &Request) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let sent = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent {
            Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(plain) => id.to_owned(),
            _ => self.make(),
        }
    }

    fn make(&self) -> String {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(&self.key, &count.to_le_bytes());
        hex::encode(&hash.as_bytes()[..16])
    }
}

fn finish_error(mut response: Response, path: &str, id: &str) -> Response {
    if let Some(error) = response.extensions().get::<PendingError>().and_then(PendingError::take) {
        let logged = response.extensions().get::<LoggedExtension>().cloned();
        // The router has named the methods on the answer that is replaced here.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = error.into_final_response(path, id);
        if let Some(allow) = allow {
            response.headers_mut().entry(header::ALLOW).or_insert(allow);
        }
        if let Some(logged) = logged {
            response.extensions_mut().insert(logged);
        }
    } else if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().is_empty() {
        response = ApiError::method_not_allowed().into_final_response(path, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_do_not_repeat_and_are_not_those_of_another_appliance() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let ids = [one.make(), one.make(), other.make(), other.make()];

        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn a_path_cannot_forge_a_log_line() {
        assert_eq!(Printable("/api/a-b_c%20d").to_string(), "/api/a-b_c%20d");
        assert_eq!(Printable("/a\n\"b\u{1b}").to_string(), "/a\\n\\\"b\\u{1b}");
    }
}
