//! The one line that each request leaves in the log.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::model::{InstallLabels, TraceId};
use crate::web::request_id::RequestId;

/// How the addresses begin that sign somebody in. What follows is their secret.
const SIGN_IN: &str = "/sign-in/";
const SIGN_IN_PATTERN: &str = "/sign-in/{secret}";

/// What a handler wants the access line to name, put on its response.
#[derive(Clone, Debug)]
pub(in crate::web) struct LoggedExtension {
    pub(in crate::web) labels: Arc<InstallLabels>,
    /// The trace that the call belongs to, if any.
    pub(in crate::web) trace: Option<TraceId>,
}

/// On a response whose body is still being made: its line waits for the end of it.
#[derive(Clone, Debug)]
pub(in crate::web) struct Streamed;

/// What is known when the head of the response is.
pub(super) struct AccessLine {
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) status: StatusCode,
    pub(super) started: Instant,
    /// As the request has it, unless it got one of its own.
    pub(super) trace: Option<TraceId>,
}

/// How a body went that was made while it was sent.
#[derive(Default)]
struct Sent {
    bytes: u64,
    ended: bool,
}

impl AccessLine {
    /// Writes the line, now or when the body has ended.
    pub(super) fn write(mut self, response: Response) -> Response {
        let logged = response.extensions().get::<LoggedExtension>();
        self.trace = logged.and_then(|logged| logged.trace).or(self.trace);
        let labels = logged.map(|logged| &logged.labels);
        if response.extensions().get::<Streamed>().is_none() {
            self.log(labels.map(|labels| &**labels), None);
            return response;
        }
        let labels = labels.map(Arc::clone);
        let sent = Sent::default();
        response.map(|body| Body::new(LoggedBody { body, line: self, labels, sent }))
    }

    /// Query strings, cookies, credentials and the secrets in paths are never logged.
    fn log(&self, labels: Option<&InstallLabels>, sent: Option<&Sent>) {
        let (id, method, path) = (self.id.as_str(), self.method.as_str(), self.uri.path());
        let (path, status) = (shown(path), self.status.as_u16());
        let (name, tenant) =
            labels.map(|labels| (labels.extension.as_str(), labels.tenant.as_str())).unzip();
        // Cut: the client did not get all of it.
        let (bytes, cut) = sent.map(|sent| (sent.bytes, !sent.ended)).unzip();
        let duration_ms = self.started.elapsed().as_secs_f64() * 1_000.0;
        tracing::info!(
            target: "access",
            { request.id = id, trace.id = self.trace.map(display), http.method = method, http.path = &*path, http.status = status,
              http.sent_bytes = bytes, http.cut = cut,
              extension.name = name, tenant.id = tenant, duration_ms },
            "{method} {path} {status}",
        );
    }
}

/// A body that writes the line of its request when it is gone.
struct LoggedBody {
    body: Body,
    line: AccessLine,
    labels: Option<Arc<InstallLabels>>,
    sent: Sent,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.sent.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        // After an announced length nobody asks whether there is more.
        this.sent.ended = match &frame {
            None => true,
            Some(Ok(_)) => this.is_end_stream(),
            Some(Err(_)) => false,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        self.line.log(self.labels.as_deref(), Some(&self.sent));
    }
}

/// A path as it may stand in a line: without a secret, and without what would forge another.
fn shown(path: &str) -> Cow<'_, str> {
    // By how it begins and not by its route: with a slash at its end, or at the listener of
    // extensions' pages, the address has none, and the secret is as good as before.
    match path.strip_prefix(SIGN_IN) {
        Some(secret) if !secret.is_empty() => SIGN_IN_PATTERN.into(),
        _ => printable(path),
    }
}

fn printable(path: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    if path.bytes().all(plain) { path.into() } else { path.escape_debug().to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_forge_a_log_line() {
        assert_eq!(shown("/api/a-b_c%20d"), "/api/a-b_c%20d");
        assert_eq!(shown("/a\n\"b\u{1b}"), "/a\\n\\\"b\\u{1b}");
    }

    #[test]
    fn an_address_that_signs_in_is_shown_by_its_pattern() {
        for path in ["/sign-in/AbC", "/sign-in/AbC/", "/sign-in//AbC", "/sign-in/AbC/d"] {
            assert_eq!(shown(path), "/sign-in/{secret}", "{path}");
        }
        for path in ["/sign-in", "/sign-in/", "/sign-out/AbC", "/admin/sign-in/AbC"] {
            assert_eq!(shown(path), path);
        }
    }
}
