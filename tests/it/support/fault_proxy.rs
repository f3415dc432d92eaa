//! Stands between the appliance and a server, and breaks things.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Of a hundred requests, how many are hit by each; the rest pass.
const PERCENT_FAILS: u64 = 10;
const PERCENT_RESETS: u64 = 5;
const PERCENT_LIES: u64 = 4;
const PERCENT_CUTS: u64 = 4;
const PERCENT_STALLS: u64 = 2;

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
    /// No answer comes, ever.
    Stalls,
}

type Answer = BoxBody<Bytes, Closed>;

/// The connection is to be closed.
#[derive(Debug, thiserror::Error)]
#[error("the proxy closes the connection")]
struct Closed;

impl FaultProxy {
    /// `seed` decides which requests break.
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (dice, faults) = (Arc::new(Mutex::new(seed)), Arc::new(AtomicUsize::new(0)));
        let counting = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (dice, faults) = (Arc::clone(&dice), Arc::clone(&counting));
                let service = service_fn(move |request| {
                    let chosen = choose(roll(&dice), request.method());
                    faults.fetch_add(
                        usize::from(!matches!(chosen, Break::Nothing)),
                        Ordering::Relaxed,
                    );
                    pass_on(server, request, chosen)
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

/// Xorshift: the same seed breaks the same requests, as far as their order is the same.
fn roll(dice: &Mutex<u64>) -> u64 {
    let mut state = dice.lock().unwrap();
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn choose(number: u64, method: &Method) -> Break {
    let (percent, done) = (number % 100, (number / 100).is_multiple_of(2));
    let mut limit = PERCENT_FAILS;
    if percent < limit {
        return Break::Fails { done };
    }
    limit += PERCENT_RESETS;
    if percent < limit {
        return Break::Resets { done };
    }
    limit += PERCENT_LIES;
    if percent < limit {
        return Break::Lies;
    }
    limit += PERCENT_CUTS;
    if percent < limit && method == Method::GET {
        return Break::Cuts;
    }
    limit += PERCENT_STALLS;
    if percent < limit { Break::Stalls } else { Break::Nothing }
}

async fn pass_on(
    server: SocketAddr,
    request: Request<Incoming>,
    chosen: Break,
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
            Ok(Response::from_parts(parts, BoxBody::new(StreamBody::new(frames))))
        }
        Break::Stalls => std::future::pending().await,
    }
}

async fn settle(server: SocketAddr, request: Request<Incoming>, done: bool) {
    if done {
        forward(server, request).await.ok();
    } else {
        request.into_body().collect().await.ok();
    }
}

async fn forward(
    server: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Closed> {
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
    BoxBody::new(Full::new(body.into()).map_err(|never| match never {}))
}

fn document(status: u16, code: &str) -> Response<Answer> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let answer = Response::builder().status(status).header("content-type", "application/xml");
    answer.body(whole(text)).unwrap()
}
