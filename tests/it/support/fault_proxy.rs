//! Stands between the appliance and a server, and breaks things.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::random::Random;

/// Of a hundred requests, how many are hit by each; the rest pass.
const PERCENT_FAILS: u64 = 10;
const PERCENT_RESETS: u64 = 5;
const PERCENT_LIES: u64 = 4;
const PERCENT_CUTS: u64 = 3;
const PERCENT_SHORTENS: u64 = 2;
const PERCENT_STALLS: u64 = 2;
const PERCENT_CRAWLS: u64 = 4;
/// What a slow line carries at a time.
const CRAWL_BYTES: usize = 4096;

/// How slow a slow server is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    /// How long a stalled request waits before it is passed on.
    pub(crate) stall: Duration,
    pub(crate) bytes_per_second: u32,
}

/// A proxy on a port of its own; it ends when dropped.
pub(crate) struct FaultProxy {
    pub(crate) endpoint: String,
    faults: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
enum Break {
    Nothing,
    /// 503, before or after the server did what was asked.
    Fails {
        done: bool,
    },
    /// The connection ends without an answer, before or after.
    Resets {
        done: bool,
    },
    /// 200 with an error document, and nothing was done.
    Lies,
    /// The answer ends before its length.
    Cuts,
    /// The answer has another length than the object, and all of it comes.
    Shortens,
    /// It is passed on so late that nobody waits for the answer.
    Stalls,
    /// It and its answer are passed on slowly, [`CRAWL_BYTES`] at a time.
    Crawls,
}

type Answer = UnsyncBoxBody<Bytes, Closed>;

/// The connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("the proxy closes the connection")]
struct Closed;

impl FaultProxy {
    /// The same seed breaks the same requests, as far as their order is the same.
    pub(crate) async fn start(server: SocketAddr, seed: u64, slowness: Slowness) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let faults = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (random, faults) = (Arc::clone(&random), Arc::clone(&counting));
                let service = service_fn(move |request| {
                    let chosen = choose(random.lock().unwrap().next(), request.method());
                    faults.fetch_add(
                        usize::from(!matches!(chosen, Break::Nothing)),
                        Ordering::Relaxed,
                    );
                    pass_on(server, request, chosen, slowness)
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { endpoint, faults, accepting }
    }

    /// How many requests were broken.
    pub(crate) fn faults(&self) -> usize {
        self.faults.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn choose(number: u64, method: &Method) -> Break {
    let (percent, done) = (number % 100, (number / 100).is_multiple_of(2));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let kinds = [
        (PERCENT_FAILS, Break::Fails { done }),
        (PERCENT_RESETS, Break::Resets { done }),
        (PERCENT_LIES, Break::Lies),
        (PERCENT_CUTS, if *method == Method::GET { Break::Cuts } else { Break::Nothing }),
        (PERCENT_SHORTENS, if reads { Break::Shortens } else { Break::Nothing }),
        (PERCENT_STALLS, Break::Stalls),
        (PERCENT_CRAWLS, Break::Crawls),
    ];
    let mut limit = 0;
    for (share, kind) in kinds {
        limit += share;
        if percent < limit {
            return kind;
        }
    }
    Break::Nothing
}

async fn pass_on(
    server: SocketAddr,
    request: Request<Incoming>,
    chosen: Break,
    slowness: Slowness,
) -> Result<Response<Answer>, Closed> {
    match chosen {
        Break::Nothing => forward(server, request).await,
        Break::Fails { done } => {
            settle(server, request, done).await;
            Ok(document(503, "SlowDown"))
        }
        Break::Resets { done } => {
            settle(server, request, done).await;
            Err(Closed)
        }
        Break::Lies => {
            settle(server, request, false).await;
            Ok(document(200, "InternalError"))
        }
        Break::Cuts => {
            let (mut parts, body) = forward(server, request).await?.into_parts();
            let whole = body.collect().await.unwrap().to_bytes();
            parts.headers.insert(CONTENT_LENGTH, whole.len().into());
            let half = whole.slice(..whole.len() / 2);
            let frames = futures_util::stream::iter([Ok(Frame::data(half)), Err(Closed)]);
            Ok(Response::from_parts(parts, Answer::new(StreamBody::new(frames))))
        }
        Break::Shortens => {
            let (mut parts, body) = forward(server, request).await?.into_parts();
            let said = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            let length = said.and_then(|said| said.parse().ok()).unwrap_or(0) / 2;
            let body = body.collect().await?.to_bytes();
            parts.headers.insert(CONTENT_LENGTH, length.into());
            Ok(Response::from_parts(parts, whole(body.slice(..length.min(body.len())))))
        }
        Break::Stalls => {
            tokio::time::sleep(slowness.stall).await;
            forward(server, request).await
        }
        Break::Crawls => {
            let request = request.map(|body| crawl(body.map_err(|_| Closed), slowness));
            Ok(forward(server, request).await?.map(|body| crawl(body, slowness)))
        }
    }
}

/// The same body, as slow as the slow line is.
fn crawl<B>(body: B, slowness: Slowness) -> Answer
where
    B: hyper::body::Body<Data = Bytes, Error = Closed> + Send + Unpin + 'static,
{
    let pieces = futures_util::stream::unfold(
        (body, Bytes::new()),
        move |(mut body, mut rest)| async move {
            while rest.is_empty() {
                match body.frame().await? {
                    Ok(frame) => rest = frame.into_data().unwrap_or_default(),
                    Err(closed) => return Some((Err(closed), (body, rest))),
                }
            }
            let piece = rest.split_to(rest.len().min(CRAWL_BYTES));
            let seconds = f64::from(u32::try_from(piece.len()).unwrap())
                / f64::from(slowness.bytes_per_second);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            Some((Ok(Frame::data(piece)), (body, rest)))
        },
    );
    Answer::new(StreamBody::new(Box::pin(pieces)))
}

async fn settle(server: SocketAddr, request: Request<Incoming>, done: bool) {
    if done {
        forward(server, request).await.ok();
    } else {
        request.into_body().collect().await.ok();
    }
}

async fn forward<B>(server: SocketAddr, request: Request<B>) -> Result<Response<Answer>, Closed>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(server).await.map_err(|_| Closed)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Closed)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|_| Closed)?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    Ok(Response::from_parts(parts, whole(body)))
}

fn whole(body: impl Into<Bytes>) -> Answer {
    Answer::new(Full::new(body.into()).map_err(|never| match never {}))
}

fn document(status: u16, code: &str) -> Response<Answer> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let answer = Response::builder().status(status).header("content-type", "application/xml");
    answer.body(whole(text)).unwrap()
}
