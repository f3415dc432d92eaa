//! One request and its response, over a connection of their own.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::body::{OutgoingBody, ReceivedBody, SentBody};
use super::destination::Destination;
use super::dial::Connection;
use super::error::EgressError;
use super::fields;
use super::shares::{Place, Tally};
use super::{Caller, Ended, Limits, Observer};
use crate::held_memory::HeldMemory;

/// Bytes of the head of a response.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What is known of a call while it goes on. Whoever lets go of it last ends it.
pub(super) struct Exchange {
    caller: Caller,
    to: Destination,
    limits: Limits,
    observer: Observer,
    began: Instant,
    memory: HeldMemory,
    tally: OnceLock<Tally>,
    address: OnceLock<SocketAddr>,
    /// 0: there was none.
    status: AtomicU16,
    sent: AtomicU64,
    received: AtomicU64,
    /// Why the body of the request was not sent to its end.
    fault: OnceLock<EgressError>,
    /// Whether its time was over before the connection was.
    expired: AtomicBool,
    /// Whether it goes out though the grant does not have it.
    learned: AtomicBool,
    ended: AtomicBool,
}

impl Exchange {
    pub(super) fn new(
        caller: Caller,
        to: Destination,
        limits: Limits,
        memory: &HeldMemory,
        observer: &Observer,
    ) -> Arc<Self> {
        Arc::new(Self {
            caller,
            to,
            limits,
            observer: Arc::clone(observer),
            began: Instant::now(),
            memory: memory.clone(),
            tally: OnceLock::new(),
            address: OnceLock::new(),
            status: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            fault: OnceLock::new(),
            expired: AtomicBool::new(false),
            learned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn memory(&self) -> &HeldMemory {
        &self.memory
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    pub(super) fn count_with(&self, tally: Tally) {
        // Once: a call enters once.
        self.tally.set(tally).ok();
    }

    pub(super) fn note_address(&self, address: SocketAddr) {
        self.address.set(address).ok();
    }

    pub(super) fn note_learned(&self) {
        self.learned.store(true, Relaxed);
    }

    /// Counts bytes of the body of the request.
    pub(super) fn send(&self, bytes: u64) -> Result<(), EgressError> {
        let sent = self.sent.fetch_add(bytes, Relaxed) + bytes;
        if sent > self.limits.request_bytes {
            return Err(EgressError::RequestTooLarge(self.limits.request_bytes));
        }
        self.count(bytes)
    }

    /// Counts bytes of the body of the response.
    pub(super) fn receive(&self, bytes: u64) -> Result<(), EgressError> {
        let received = self.received.fetch_add(bytes, Relaxed) + bytes;
        if received > self.limits.response_bytes {
            return Err(EgressError::ResponseTooLarge(self.limits.response_bytes));
        }
        self.count(bytes)
    }

    fn count(&self, bytes: u64) -> Result<(), EgressError> {
        self.tally.get().map_or(Ok(()), |tally| tally.count(bytes))
    }

    /// Remembers why the body of the request ended: of that hyper says only that it did.
    pub(super) fn blame(&self, fault: EgressError) {
        self.fault.set(fault).ok();
    }

    /// Tells the observer, once.
    pub(super) fn end(&self, error: Option<&EgressError>) {
        if self.ended.swap(true, Relaxed) {
            return;
        }
        let status = self.status.load(Relaxed);
        (self.observer)(&Ended {
            caller: &self.caller,
            destination: &self.to,
            address: self.address.get().copied(),
            status: (status > 0).then_some(status),
            sent_bytes: self.sent.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
            duration: self.began.elapsed(),
            error,
            is_learned: self.learned.load(Relaxed),
        });
    }

    fn why(&self, error: hyper::Error) -> EgressError {
        // The exchange is shared with the connection, so the fault is told again and not taken.
        match self.fault.get() {
            Some(EgressError::RequestTooLarge(limit)) => EgressError::RequestTooLarge(*limit),
            Some(EgressError::Quota(limit)) => EgressError::Quota(*limit),
            Some(_) => EgressError::RequestBody,
            None => EgressError::broken(error),
        }
    }
}

impl Drop for Exchange {
    /// Nobody waits for it any more: whoever has the head has what was asked for.
    fn drop(&mut self) {
        let has_begun = self.status.load(Relaxed) > 0;
        self.end((!has_begun).then_some(&EgressError::Abandoned));
    }
}

/// Sends the request, and waits for the head of the response.
pub(super) async fn send(
    exchange: &Arc<Exchange>,
    (connection, place): (Connection, Arc<Place>),
    (method, to, headers): (Method, &Destination, HeaderMap),
    body: OutgoingBody,
    until: Instant,
) -> Result<Response<ReceivedBody>, EgressError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(fields::MAX_FIELDS)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(EgressError::broken)?;
    let whose = Arc::clone(exchange);
    // What goes wrong with it, whoever waits for the response learns. It ends with the time
    // of the call, also while nobody reads: it keeps a socket, and a place among the calls.
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        let _place = place;
        // Not dropped before it is said why: whoever reads the body sees that at once.
        let mut connection = pin!(connection);
        if timeout_at(until, connection.as_mut()).await.is_err() {
            whose.expired.store(true, Relaxed);
            whose.end(Some(&EgressError::Timeout(whose.limits.total)));
        }
    }));
    let body = SentBody::new(body, Arc::clone(exchange));
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // The path alone: a proxy in the place of the server would read a whole URL.
    *request.uri_mut() = Uri::from(to.path_and_query().clone());
    *request.headers_mut() = headers;
    let response = sender.send_request(request).await.map_err(|error| exchange.why(error))?;
    exchange.status.store(response.status().as_u16(), Relaxed);
    let (mut head, body) = response.into_parts();
    fields::clean_response(&mut head.headers);
    let body = ReceivedBody::new(body, connection, Arc::clone(exchange))?;
    Ok(Response::from_parts(head, body))
}
