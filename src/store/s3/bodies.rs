//! Bodies that are watched: how far a request got, and whether an answer still arrives.
//!
//! One limit for a whole transfer would either cut off a large bundle on a slow
//! line or wait minutes for a server that is gone; these follow the bytes.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use object_store::client::{HttpError, HttpErrorKind, HttpRequestBody};
use tokio::time::{Instant, Sleep, sleep, timeout_at};

/// The largest piece that is handed to the connection: what is not taken shows that it is stuck.
const PIECE_BYTES: usize = 64 * 1024;

/// Nothing moved for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} in {} ms", .limit.as_millis())]
pub(super) struct TimedOut {
    pub(super) what: &'static str,
    pub(super) limit: Duration,
}

/// The limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
}

/// When the request last moved, and whether it is sent.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(Instant, bool)>);

/// A request body that says how far it got.
#[derive(Debug)]
pub(super) struct SentBody {
    inner: HttpRequestBody,
    rest: Bytes,
    progress: Arc<Progress>,
}

/// An answer's body that fails when nothing arrives for too long.
#[derive(Debug)]
pub(super) struct ReceivedBody {
    inner: Incoming,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl Progress {
    fn note(&self, sent: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), sent);
    }

    fn deadline(&self, patience: Patience) -> (Instant, TimedOut) {
        let (moved, sent) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, limit) = if sent {
            ("the server did not begin to answer", patience.first_byte)
        } else {
            ("the server took nothing of the request", patience.idle)
        };
        (moved + limit, TimedOut { what, limit })
    }

    /// Waits for the head of the answer for as long as the request moves.
    pub(super) async fn head_in_time<T>(
        &self,
        answer: impl Future<Output = T>,
        patience: Patience,
    ) -> Result<T, TimedOut> {
        let mut answer = pin!(answer);
        loop {
            let (deadline, timed_out) = self.deadline(patience);
            if let Ok(answer) = timeout_at(deadline, &mut answer).await {
                return Ok(answer);
            }
            if self.deadline(patience).0 == deadline {
                return Err(timed_out);
            }
        }
    }
}

impl SentBody {
    pub(super) fn new(inner: HttpRequestBody) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress(Mutex::new((Instant::now(), inner.is_end_stream()))));
        (Self { inner, rest: Bytes::new(), progress: Arc::clone(&progress) }, progress)
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.progress.note(true);
                    return Poll::Ready(None);
                }
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.progress.note(self.is_end_stream());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let inner = self.inner.size_hint().exact();
        inner.map_or_else(SizeHint::new, |inner| SizeHint::with_exact(inner + rest))
    }
}

impl ReceivedBody {
    pub(super) fn new(inner: Incoming, idle: Duration) -> Self {
        Self { inner, idle, deadline: Box::pin(sleep(idle)) }
    }
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            let next = Instant::now() + self.idle;
            self.deadline.as_mut().reset(next);
            let cut = |error| HttpError::new(HttpErrorKind::Interrupted, error);
            return Poll::Ready(frame.map(|frame| frame.map_err(cut)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        let timed_out = TimedOut { what: "nothing of the answer arrived", limit: self.idle };
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, timed_out))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http_body_util::BodyExt;

    use super::*;

    const PATIENCE: Patience =
        Patience { first_byte: Duration::from_secs(10), idle: Duration::from_secs(15) };

    #[tokio::test]
    async fn a_body_goes_out_in_pieces_and_keeps_its_length() {
        let content = Bytes::from(vec![7; 3 * PIECE_BYTES + 1]);
        let (mut body, _) = SentBody::new(content.clone().into());
        assert_eq!(body.size_hint().exact(), Some(content.len() as u64));

        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();

        assert_eq!(first.len(), PIECE_BYTES);
        assert_eq!(body.size_hint().exact(), Some((content.len() - PIECE_BYTES) as u64));
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!([first, rest].concat(), content);
    }

    #[tokio::test]
    async fn a_request_on_its_way_has_time_from_piece_to_piece() {
        let (mut body, progress) = SentBody::new(Bytes::from(vec![7; 2 * PIECE_BYTES]).into());
        let (begun, waiting) = progress.deadline(PATIENCE);
        assert_eq!(waiting.limit, PATIENCE.idle);

        body.frame().await.unwrap().unwrap();

        let (moved, waiting) = progress.deadline(PATIENCE);
        assert!(moved > begun);
        assert_eq!(waiting.what, "the server took nothing of the request");
    }

    #[tokio::test]
    async fn a_request_that_is_sent_waits_for_the_first_byte() {
        let (mut body, sent) = SentBody::new(Bytes::from_static(b"x").into());
        body.frame().await.unwrap().unwrap();
        let (_, empty) = SentBody::new(HttpRequestBody::empty());

        for progress in [sent, empty] {
            let (_, waiting) = progress.deadline(PATIENCE);
            assert_eq!(waiting.limit, PATIENCE.first_byte);
            assert_eq!(waiting.what, "the server did not begin to answer");
        }
    }

    #[tokio::test]
    async fn a_request_that_nobody_takes_is_given_up() {
        let none = Duration::ZERO;
        let (_body, progress) = SentBody::new(Bytes::from_static(b"x").into());

        let patience = Patience { first_byte: PATIENCE.first_byte, idle: none };
        let waited = progress.head_in_time(pending::<()>(), patience).await;

        let what = "the server took nothing of the request";
        assert_eq!(waited, Err(TimedOut { what, limit: none }));
    }
}
