//! `/api/ext/{extension}/{*path}` and `/api/ext-proxy/…`: calls to extensions.

mod held_body;
mod long_body;
mod method_override;
pub(super) mod rate_fields;
mod request_body;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::Instant;

use self::long_body::LongBody;
use self::method_override::{Call, apply_override};
use super::conditional;
use super::error::ApiError;
use super::extract::Path;
use super::headers;
use super::middleware::{LoggedExtension, Streamed};
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::app::App;
use crate::app::dispatch::{Caller, DispatchError, FoundEndpoint, GatewayRequest, Route};
use crate::app::idempotency::is_safe;
use crate::model::{
    EndpointAuth, EndpointMethod, IdempotencyKey, IncomingTrace, InvalidIdempotencyKey,
};
use crate::runner::{GuestBody, GuestRequest, GuestResponse, RequestBody};

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
const X_IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("x-idempotency-replayed");
const X_ALGA_TENANT: HeaderName = HeaderName::from_static("x-alga-tenant");
const X_ALGA_EXTENSION: HeaderName = HeaderName::from_static("x-alga-extension");

/// The parameter of an address whose path is read here, as it was sent.
#[derive(Deserialize)]
pub(super) struct Called {
    extension: String,
}

/// `/api/ext/{extension}/{*path}`; without a path, with or without a slash, the guest's `/`.
///
/// Not `async` itself, which would be one future more that keeps the request.
pub(super) fn dispatch(
    State(app): State<Arc<App>>,
    Path(Called { extension }): Path<Called>,
    caller: Caller,
    id: RequestId,
    request: Request,
) -> impl Future<Output = Result<Response, ApiError>> + Send {
    let call = Call { method: request.method().clone(), query: query(&request), body: None };
    run(app, extension, caller, id, request, call)
}

/// The same at `/api/ext-proxy/`: the bridge's door, with `__method`.
pub(super) async fn dispatch_proxy(
    State(app): State<Arc<App>>,
    Path(Called { extension }): Path<Called>,
    caller: Caller,
    id: RequestId,
    request: Request,
) -> Result<Response, ApiError> {
    let path = guest_path(request.uri().path())?;
    let limit = || -> Result<u64, ApiError> {
        let found = app.find_path(&caller, &extension, &path);
        let longest = found.inspect_err(|error| app.count_refusal(error))?;
        // What names its method is longer than what the endpoint gets of it.
        let longest = longest.max(request_body::SHORT_BODY_BYTES);
        Ok(longest.min(app.config.gateway.max_whole_body_bytes()))
    };
    let (mut request, call) = apply_override(request, limit, &app).await?;
    *request.method_mut() = call.method.clone();
    run(app, extension, caller, id, request, call).await
}

/// The head of a call and its body, as they came.
struct Incoming<'a> {
    caller: &'a Caller,
    id: RequestId,
    path: String,
    headers: &'a HeaderMap,
    body: Body,
}

async fn run(
    app: Arc<App>,
    extension: String,
    caller: Caller,
    id: RequestId,
    request: Request,
    call: Call,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let path = guest_path(parts.uri.path())?;
    let found = app.find_endpoint(&caller, &extension, &call.method, &path);
    let mut found = match found.inspect_err(|error| app.count_refusal(error))? {
        Route::Found(found) => found,
        Route::Options(methods) => return Ok(answer_options(&methods)),
    };
    let trace = parts.extensions.get::<IncomingTrace>().cloned();
    let trace = app.begin_trace(trace, &caller, &found, &call.method);
    found.trace = trace.clone();
    let logged = LoggedExtension { labels: Arc::clone(found.labels()), trace: trace.id() };
    let left = found.standings.as_deref().and_then(rate_fields::state);
    let left = left.map(|left| (rate_fields::RATELIMIT, left));
    let incoming = Incoming { caller: &caller, id, path, headers: &parts.headers, body };
    let mut response = match execute(&app, found, incoming, call).await {
        Ok(mut response) => {
            response.headers_mut().extend(left);
            response
        }
        Err(mut error) => {
            error.headers.extend(left);
            error.into_response()
        }
    };
    trace.note(|span| span.served(response.status().as_u16()));
    response.extensions_mut().insert(logged);
    Ok(response)
}

async fn execute(
    app: &Arc<App>,
    found: Box<FoundEndpoint>,
    incoming: Incoming<'_>,
    call: Call,
) -> Result<Response, ApiError> {
    let Incoming { caller, id, path, headers: sent, body } = incoming;
    let key = idempotency_key(sent, &call.method)?;
    let limit = found.max_body_bytes;
    let body = match call.body {
        Some(body) if body.len() as u64 > limit => {
            return Err(ApiError::too_large("the body", limit, Some(body.len() as u64)));
        }
        Some(body) => RequestBody::Whole(body),
        None => request_body::read(body, limit, found.streams(), app).await?,
    };
    let mut headers = headers::to_guest(sent);
    let labels = found.labels();
    headers.insert(X_REQUEST_ID, id.header());
    for (name, value) in
        [(X_ALGA_TENANT, labels.tenant.as_str()), (X_ALGA_EXTENSION, labels.extension.as_str())]
    {
        headers.insert(name, HeaderValue::from_str(value).map_err(ApiError::internal)?);
    }
    let path_and_query = match call.query {
        Some(query) => [&path, "?", &query].concat(),
        None => path,
    };
    let longest = found.longest_answer(&app.config.gateway);
    let is_head = call.method == Method::HEAD;
    let is_public = found.endpoint().auth == EndpointAuth::Public;
    let request = GatewayRequest {
        request_id: id.text(),
        guest: Box::new(GuestRequest {
            method: call.method,
            path_and_query,
            authority: authority(sent),
            headers,
            body,
        }),
    };
    let answered = app.dispatch_once(found, caller, key.as_ref(), request).await;
    let answered = answered.inspect_err(|error| app.count_refusal(error))?;
    let mut response = respond(answered.response, longest, is_head, is_public);
    if answered.is_replayed {
        response.headers_mut().insert(X_IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The key of a call that changes something. What reads ours and the guest's
/// logs gets it as it is: it is held to a length and to visible characters.
fn idempotency_key(
    headers: &HeaderMap,
    method: &Method,
) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(X_IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else { return Ok(None) };
    if is_safe(method) {
        return Ok(None);
    }
    let key = value.to_str().ok().filter(|_| values.next().is_none());
    let key = key.ok_or(InvalidIdempotencyKey).and_then(str::parse);
    key.map(Some).map_err(|invalid| ApiError::malformed(format!("`x-idempotency-key`: {invalid}")))
}

/// The answer. A long body is sent for as long as `longest`.
fn respond(guest: GuestResponse, longest: Duration, is_head: bool, is_public: bool) -> Response {
    let mut headers = headers::from_guest(&guest.headers, is_public);
    let status = StatusCode::from_u16(guest.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let may_have_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_head && may_have_body {
        // HEAD says how long GET's body would be, or nothing of it (RFC 9110 section 9.3.2).
        let length = match &guest.body {
            GuestBody::Whole(body) if body.is_empty() => guest.announced(),
            GuestBody::Whole(body) => Some(body.len() as u64),
            GuestBody::Stream(stream) => stream.announced(),
        };
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length.into())));
    }
    let mut may_break_off = false;
    let mut response = Response::new(match guest.body {
        _ if is_head || !may_have_body => conditional::no_body(),
        GuestBody::Whole(body) => match guest.slot.hold(&body) {
            Some(kept) => {
                may_break_off = true;
                LongBody::until(Instant::now() + longest, kept)
            }
            None => Body::from(body),
        },
        GuestBody::Stream(stream) => {
            // nginx and others in front would collect what is meant to arrive as it is made.
            headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
            may_break_off = true;
            Body::new(stream)
        }
    });
    if may_break_off {
        response.extensions_mut().insert(Streamed);
    }
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn answer_options(methods: &[EndpointMethod]) -> Response {
    (StatusCode::NO_CONTENT, [(header::ALLOW, allow(methods))]).into_response()
}

/// The `Allow` value for some methods.
pub(super) fn allow(methods: &[EndpointMethod]) -> String {
    methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ")
}

fn query(request: &Request) -> Option<String> {
    request.uri().query().map(str::to_owned)
}

fn authority(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or("localhost").to_owned()
}

/// The path after the extension id, decoded once, with its leading `/`.
///
/// What could mean two things to two readers is refused: encoded slashes,
/// backslashes, control characters and marks of a query or a fragment, and dot
/// segments. The guest gets path and query as one text.
fn guest_path(uri_path: &str) -> Result<String, ApiError> {
    let malformed = || {
        ApiError::malformed(
            "the path has an encoded slash, question mark, hash or percent sign, a backslash, a \
             control character, an empty or a dot segment",
        )
    };
    let rest = uri_path.splitn(5, '/').nth(4).unwrap_or_default();
    if is_plain(rest) {
        return Ok(["/", rest].concat());
    }
    let upper = rest.to_ascii_uppercase();
    if ["%2F", "%5C", "%00", "%25", "%3F", "%23"].iter().any(|coded| upper.contains(coded)) {
        return Err(malformed());
    }
    let decoded =
        percent_encoding::percent_decode_str(rest).decode_utf8().map_err(|_| malformed())?;
    let dotted = decoded.split('/').any(|segment| segment == "." || segment == "..");
    if dotted
        || decoded.contains('\\')
        || decoded.chars().any(char::is_control)
        || decoded.starts_with('/')
        || decoded.contains("//")
    {
        return Err(malformed());
    }
    Ok(format!("/{decoded}"))
}

/// Whether a path can mean one thing only: what nearly every call has.
fn is_plain(rest: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'~');
    rest.bytes().all(plain) && !rest.starts_with('/') && !rest.contains("//")
}

impl From<DispatchError> for ApiError {
    fn from(error: DispatchError) -> Self {
        Self::from_dispatch(error)
    }
}

#[cfg(test)]
mod tests;
