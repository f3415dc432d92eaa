//! What every request passes: its id, the guard, its errors, its headers, its log line.

mod access_line;
mod long_address;

pub(super) use access_line::{LoggedExtension, Streamed};

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::{Layer, Service};

use access_line::AccessLine;

use super::access::Access;
use super::cookie;
use super::error::{ApiError, PendingError, is_page};
use super::guard;
use super::headers::FixedHeaders;
use super::pages;
use super::request_id::{RequestIds, X_REQUEST_ID};
use super::routes::Route;
use crate::app::App;
use crate::model::IncomingTrace;
use crate::telemetry::RouteMetrics;

/// The trace that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What passing needs, made once: one layer and not one per purpose, because
/// each costs every request some allocations.
pub(super) struct Passage {
    app: Arc<App>,
    fixed: FixedHeaders,
    /// By pattern.
    paths: HashMap<&'static str, Known>,
    unmatched: RouteMetrics,
    ids: RequestIds,
    /// Whether operators sign in here. Where extensions' pages are, nothing of a session is shown.
    has_pages: bool,
}

/// What the route table says of one path.
struct Known {
    metrics: RouteMetrics,
    /// By method, `*` for every one.
    access: Vec<(&'static str, Access)>,
}

impl Passage {
    pub(super) fn new(app: Arc<App>, table: &[Route]) -> Self {
        let mut paths: HashMap<_, Known> = HashMap::new();
        for route in table {
            let known = paths.entry(route.path);
            let metrics = || RouteMetrics::new(route.path);
            let known = known.or_insert_with(|| Known { metrics: metrics(), access: Vec::new() });
            known.access.push((route.method, route.access));
        }
        Self {
            fixed: FixedHeaders::new(&app),
            paths,
            unmatched: RouteMetrics::new("(none)"),
            ids: RequestIds::new(),
            has_pages: table.iter().any(|route| route.access == Access::Page),
            app,
        }
    }

    /// The row of the table that a request is for; none if there is no such
    /// path, or not with this method.
    fn find(&self, request: &Request) -> (&RouteMetrics, Option<Access>) {
        let matched = request.extensions().get::<MatchedPath>();
        match matched.and_then(|matched| self.paths.get(matched.as_str())) {
            Some(known) => (&known.metrics, known.access(request.method())),
            None => (&self.unmatched, None),
        }
    }

    /// The session of whoever opens a page, for the frame around what may go wrong.
    fn session_cookie(&self, request: &Request) -> Option<String> {
        let headers = request.headers();
        let is_person = self.has_pages
            && is_page(request.uri().path())
            && !headers.contains_key(header::AUTHORIZATION);
        if is_person { cookie::session(headers, self.app.is_secure()) } else { None }
    }
}

impl Known {
    fn access(&self, method: &Method) -> Option<Access> {
        // axum answers HEAD from the GET handler.
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        let fits = |(known, _): &&(&str, Access)| *known == method || *known == "*";
        self.access.iter().find(fits).map(|(_, access)| *access)
    }
}

/// A layer and not a function of axum's, which costs every request a boxed
/// service more.
#[derive(Clone)]
pub(super) struct PassageLayer(pub(super) Arc<Passage>);

/// A router behind the passage.
#[derive(Clone)]
pub(super) struct Passing<S> {
    passage: Arc<Passage>,
    inner: S,
}

impl<S> Layer<S> for PassageLayer {
    type Service = Passing<S>;

    fn layer(&self, inner: S) -> Passing<S> {
        Passing { passage: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request> for Passing<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The clone stays behind: what was polled ready is what must be called.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let passage = Arc::clone(&self.passage);
        Box::pin(pass(passage, inner, request))
    }
}

/// Gives a request its id, lets it through if its caller may pass, writes its
/// error in the form that the address's clients expect, sets the headers that
/// every answer of the address carries, and writes its one access line.
async fn pass<S>(
    passage: Arc<Passage>,
    mut inner: S,
    mut request: Request,
) -> Result<Response, Infallible>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let started = Instant::now();
    let id = passage.ids.id_of(&request);
    let (method, mut uri) = (request.method().clone(), request.uri().clone());
    let too_long = long_address::refusal(&passage.app, &uri);
    if too_long.is_some() {
        uri = long_address::beginning(&uri);
    }
    let (metrics, access) = passage.find(&request);
    request.extensions_mut().insert(id.clone());
    let incoming = incoming_trace(request.headers());
    let trace = incoming.as_ref().map(|incoming| incoming.context.trace);
    if let Some(incoming) = incoming {
        request.extensions_mut().insert(incoming);
    }
    let cookie = passage.session_cookie(&request);

    let app = &passage.app;
    let answer = async move {
        if let Some(refusal) = too_long {
            return refusal.into_response();
        }
        // No row, no handler: the router says that there is nothing.
        if let Some(access) = access
            && let Err(refusal) = guard::admit(app, access, &mut request)
        {
            return refusal;
        }
        let Ok(response) = inner.call(request).await;
        response
    };
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    let response =
        answer.unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response());
    let mut response = finish_error(response, uri.path(), id.as_str(), || {
        pages::failure::chrome(&passage.app, cookie.as_deref())
    });
    passage.fixed.set(uri.path(), response.headers_mut());
    response.headers_mut().insert(X_REQUEST_ID, id.header());

    let status = response.status();
    passage.app.metrics.observe_request(metrics, status.as_u16(), started.elapsed());
    Ok(AccessLine { id, method, uri, status, started, trace }.write(response))
}

/// What a request says of its trace; most say nothing, and cost a look at their headers.
fn incoming_trace(headers: &HeaderMap) -> Option<IncomingTrace> {
    if !headers.contains_key(TRACEPARENT) {
        return None;
    }
    // What is no text is no id, and spoils what stands beside it.
    let texts = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or("\u{fffd}")).collect::<Vec<_>>()
    };
    let (parents, states) = (texts(&TRACEPARENT), texts(&TRACESTATE));
    IncomingTrace::of(parents.into_iter(), states.into_iter())
}

fn finish_error(
    mut response: Response,
    path: &str,
    id: &str,
    chrome: impl FnOnce() -> pages::Chrome,
) -> Response {
    if let Some(error) = response.extensions().get::<PendingError>().and_then(PendingError::take) {
        let logged = response.extensions().get::<LoggedExtension>().cloned();
        // The router has named the methods on the answer that is replaced here.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = error.into_final_response(path, id, chrome);
        if let Some(allow) = allow {
            response.headers_mut().entry(header::ALLOW).or_insert(allow);
        }
        if let Some(logged) = logged {
            response.extensions_mut().insert(logged);
        }
    } else if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.headers().is_empty() {
        response = ApiError::method_not_allowed().into_final_response(path, id, chrome);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_without_a_row_has_no_access() {
        let metrics = RouteMetrics::new("/a");
        let known = Known { metrics, access: vec![("GET", Access::Always), ("PUT", Access::Page)] };

        assert_eq!(known.access(&Method::HEAD), Some(Access::Always));
        assert_eq!(known.access(&Method::PUT), Some(Access::Page));
        assert_eq!(known.access(&Method::POST), None);
    }
}
