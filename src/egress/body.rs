//! The bodies of a call: counted, bounded, and without trailers.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::error::EgressError;
use super::exchange::Exchange;

/// What a guest sends.
pub type OutgoingBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The body of a request on its way.
pub(super) struct SentBody {
    body: OutgoingBody,
    exchange: Arc<Exchange>,
}

impl SentBody {
    pub(super) fn new(body: OutgoingBody, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }

    fn fail(&self, fault: EgressError) -> Result<Frame<Bytes>, BrokenOff> {
        self.exchange.blame(fault);
        Err(BrokenOff)
    }
}

/// The body of a request ended before its end; the exchange knows why.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request broke off")]
pub(super) struct BrokenOff;

impl Body for SentBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(self.fail(EgressError::RequestBody))),
                Some(Ok(frame)) => frame,
            };
            // Trailers are dropped: a server may take them for header fields.
            let Ok(data) = frame.into_data() else { continue };
            return Poll::Ready(Some(match self.exchange.send(data.len() as u64) {
                Ok(()) => Ok(Frame::data(data)),
                Err(fault) => self.fail(fault),
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response as it arrives. Dropping it ends the call.
pub struct ReceivedBody {
    body: Incoming,
    exchange: Arc<Exchange>,
    time: Pin<Box<Sleep>>,
    is_over: bool,
    _connection: AbortOnDropHandle<()>,
}

impl ReceivedBody {
    /// Refuses at once what announces more than is allowed.
    pub(super) fn new(
        body: Incoming,
        connection: AbortOnDropHandle<()>,
        exchange: Arc<Exchange>,
        until: Instant,
    ) -> Result<Self, EgressError> {
        let most = exchange.limits().response_bytes;
        if body.size_hint().lower() > most {
            return Err(EgressError::ResponseTooLarge(most));
        }
        let time = Box::pin(sleep_until(until));
        Ok(Self { body, exchange, time, is_over: false, _connection: connection })
    }

    /// All of it.
    pub async fn whole(self) -> Result<Bytes, EgressError> {
        Ok(self.collect().await?.to_bytes())
    }

    fn end(&mut self, error: Option<EgressError>) -> Option<Result<Frame<Bytes>, EgressError>> {
        self.is_over = true;
        self.exchange.end(error.as_ref());
        error.map(Err)
    }
}

impl fmt::Debug for ReceivedBody {
    /// Not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceivedBody(…)")
    }
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.time.as_mut().poll(cx));
                let limit = self.exchange.limits().total;
                return Poll::Ready(self.end(Some(EgressError::Timeout(limit))));
            };
            let data = match frame {
                None => return Poll::Ready(self.end(None)),
                Some(Err(error)) => {
                    return Poll::Ready(self.end(Some(EgressError::broken(error))));
                }
                Some(Ok(frame)) => frame.into_data(),
            };
            // Trailers are dropped.
            let Ok(data) = data else { continue };
            return Poll::Ready(match self.exchange.receive(data.len() as u64) {
                Ok(()) => Some(Ok(Frame::data(data))),
                Err(error) => self.end(Some(error)),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
