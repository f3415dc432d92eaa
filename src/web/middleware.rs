//! What every request passes: its id, its log line, its errors, its headers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use uuid::Uuid;

use super::error::{ApiError, PendingError};
use super::headers::FixedHeaders;
use crate::app::App;

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

/// Gives the request its id and writes its one access line.
///
/// Query strings, cookies and credentials are never logged.
pub(super) async fn log_request(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let elapsed = started.elapsed();
    let route = response.extensions().get::<Matched>().map_or("(none)", |matched| &matched.0);
    app.metrics.observe_request(route, response.status().as_u16(), elapsed);
    let extension = response.extensions().get::<LoggedExtension>();
    let status = response.status().as_u16();
    let path = path.escape_debug().to_string();
    let (name, tenant) =
        extension.map(|logged| (logged.name.as_str(), logged.tenant.as_str())).unzip();
    let duration_ms = elapsed.as_secs_f64() * 1_000.0;
    tracing::info!(
        target: "access",
        { request.id = id, http.method = %method, http.path = path, http.status = status,
          extension.name = name, tenant.id = tenant, duration_ms },
        "{method} {path} {status}",
    );
    response
}

/// The pattern of the route that answered: the label of its metrics.
#[derive(Clone)]
struct Matched(Arc<str>);

fn request_id(request: &Request) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let sent = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    match sent {
        Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(plain) => id.to_owned(),
        _ => Uuid::new_v4().simple().to_string(),
    }
}

/// Writes errors in the form the address's clients expect, and turns a panic
/// into one.
pub(super) async fn finish_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let matched = request.extensions().get::<MatchedPath>().map(|path| Arc::from(path.as_str()));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response =
        answer.unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response());
    if let Some(error) = response.extensions().get::<PendingError>().and_then(PendingError::take) {
        let logged = response.extensions().get::<LoggedExtension>().cloned();
        // The router has named the methods on the answer that is replaced here.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = error.into_final_response(&path, &id);
        if let Some(allow) = allow {
            response.headers_mut().entry(header::ALLOW).or_insert(allow);
        }
        if let Some(logged) = logged {
            response.extensions_mut().insert(logged);
        }
    } else if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().is_empty() {
        response = ApiError::method_not_allowed().into_final_response(&path, &id);
    }
    if let Some(matched) = matched {
        response.extensions_mut().insert(Matched(matched));
    }
    response
}

/// Sets the headers that every answer of an address carries, whatever its status.
pub(super) async fn set_headers(
    State(fixed): State<Arc<FixedHeaders>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    fixed.set(&path, response.headers_mut());
    response
}
