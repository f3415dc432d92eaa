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
use tokio_util::task::AbortOnDropHandle;

use super::error::EgressError;
use super::exchange::Exchange;
use crate::held_memory::NoRoom;

/// What most bodies fit in.
const SMALL_BYTES: usize = 64 * 1024;

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

/// Room for `more` bytes. Beyond a small buffer at once for all that may come: what is never
/// written takes no memory, and a buffer that is moved takes it twice.
fn make_room(whole: &mut Vec<u8>, more: usize, most: u64) {
    let needed = whole.len() + more;
    if needed > whole.capacity() {
        let all = usize::try_from(most).unwrap_or(usize::MAX).max(needed);
        let room = if needed <= SMALL_BYTES { SMALL_BYTES.min(all) } else { all };
        whole.reserve_exact(room - whole.len());
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

/// The body of a response as it arrives. Dropping it ends the call; so does its connection,
/// once the time of the call is over, whether anybody reads or not.
pub struct ReceivedBody {
    body: Incoming,
    exchange: Arc<Exchange>,
    is_over: bool,
    _connection: AbortOnDropHandle<()>,
}

impl ReceivedBody {
    /// Refuses at once what announces more than is allowed.
    pub(super) fn new(
        body: Incoming,
        connection: AbortOnDropHandle<()>,
        exchange: Arc<Exchange>,
    ) -> Result<Self, EgressError> {
        let most = exchange.limits().response_bytes;
        if body.size_hint().lower() > most {
            return Err(EgressError::ResponseTooLarge(most));
        }
        Ok(Self { body, exchange, is_over: false, _connection: connection })
    }

    /// All of it, held in what memory there is for all such bodies.
    pub async fn whole(mut self) -> Result<Vec<u8>, EgressError> {
        let mut held = self.exchange.memory().hold_nothing();
        let most = self.exchange.limits().response_bytes;
        let mut whole = Vec::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if let Err(NoRoom { limit_bytes }) = held.grow_to((whole.len() + data.len()) as u64) {
                let error = EgressError::Crowded(limit_bytes);
                self.exchange.end(Some(&error));
                return Err(error);
            }
            make_room(&mut whole, data.len(), most);
            whole.extend_from_slice(&data);
        }
        Ok(whole)
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
            let data = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // A connection that was cut looks like one that broke off.
                None | Some(Err(_)) if self.exchange.is_expired() => {
                    let limit = self.exchange.limits().total;
                    return Poll::Ready(self.end(Some(EgressError::Timeout(limit))));
                }
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
