//! One connection: requests in, one after the other, until one side has enough.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use http::{HeaderValue, Request, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tower::ServiceExt;

use super::Peer;
use super::accept::Door;
use super::body::{BodyPace, PacedBody, TrackedBody};
use super::file_stream::FileSender;
use super::guard::{Guard, GuardLimits};
use crate::config::ServerConfig;

/// What is expected of every client.
pub(super) struct Manners {
    pub(super) guard: GuardLimits,
    pace: BodyPace,
    max_headers: usize,
    max_requests: u64,
}

impl Manners {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            guard: GuardLimits {
                header_timeout: Duration::from_millis(config.header_timeout_ms),
                idle_timeout: Duration::from_millis(config.idle_timeout_ms),
                write_timeout: Duration::from_millis(config.write_timeout_ms),
                min_bytes_per_s: config.min_body_bytes_per_s,
                max_head_bytes: config.max_head_bytes,
            },
            pace: BodyPace {
                grace: Duration::from_millis(config.body_grace_ms),
                min_bytes_per_s: config.min_body_bytes_per_s,
            },
            max_headers: config.max_headers,
            max_requests: config.max_requests_per_connection,
        }
    }

    fn protocol(&self) -> http1::Builder {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            // The guard has the timers for heads: see there.
            .header_read_timeout(None)
            .max_headers(self.max_headers)
            .max_header_size(self.guard.max_head_bytes)
            // Also what may wait to be written; a head must fit.
            .max_buf_size((2 * self.guard.max_head_bytes).max(128 * 1024));
        protocol
    }
}

/// What the stream of a connection and its requests tell each other.
pub(super) struct Progress {
    opened: Instant,
    in_flight: AtomicUsize,
    served: AtomicU64,
    last: AtomicBool,
    /// When the last answer had gone, or the last write that waited for the client was over, in
    /// milliseconds since it was opened.
    idle_since_ms: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            last: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(0),
        }
    }

    /// From now on it is idle, unless a request is being answered.
    pub(super) fn note_idle(&self) {
        let since = self.opened.elapsed().as_millis();
        self.idle_since_ms.store(u64::try_from(since).unwrap_or(u64::MAX), Relaxed);
    }

    /// Since when it is idle, if it is.
    pub(super) fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since_ms.load(Relaxed))
    }

    /// Whether a request is being answered: the client is not idle.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed) > 0
    }

    /// The connection ends with the request that is being read.
    pub(super) fn make_last(&self) {
        self.last.store(true, Relaxed);
    }

    fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.served.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    fn is_last(&self, max_requests: u64) -> bool {
        self.last.load(Relaxed) || self.served.load(Relaxed) >= max_requests
    }
}

/// A request that is being answered, until its response body is gone.
pub(super) struct InFlight(Arc<Progress>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.note_idle();
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Serves one connection to its end. Its answers may send files with `sender`.
pub(super) async fn serve<S>(stream: S, peer: Peer, sender: Option<FileSender>, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Door { router, manners, stop, cut, .. } = door;
    let progress = Arc::new(Progress::new());
    let stream = Guard::new(stream, manners.guard, Arc::clone(&progress));
    let answering = service_fn(|mut request: Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        sender.clone().map(|sender| extensions.insert(sender));
        answer(request, router.clone(), Arc::clone(&manners), Arc::clone(&progress))
    });
    let connection = manners.protocol().serve_connection(TokioIo::new(stream), answering);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// What it does at once is known to the guard before the library reads again.
fn answer(
    request: Request<Incoming>,
    router: Router,
    manners: Arc<Manners>,
    progress: Arc<Progress>,
) -> impl Future<Output = Result<Response<TrackedBody>, Infallible>> + Send {
    let in_flight = progress.begin();
    let request = request.map(|body| PacedBody::wrap(body, manners.pace));
    async move {
        let Ok(mut response) = router.oneshot(request).await;
        if progress.is_last(manners.max_requests) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| TrackedBody { body, _in_flight: in_flight }))
    }
}
