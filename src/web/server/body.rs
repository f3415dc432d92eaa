//! Request bodies that must keep coming, and response bodies that say when they end.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{BoxError, body::Body};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connection::InFlight;
use super::patience::Patience;

/// How slowly a request body may come.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyPace {
    pub(super) grace: Duration,
    pub(super) min_bytes_per_s: u64,
}

/// The client sends its request body too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the request body came more slowly than {min_bytes_per_s} bytes a second")]
pub struct BodyTooSlow {
    /// What it must bring on average, once the time that is free is used up.
    pub min_bytes_per_s: u64,
}

/// A request body whose sender is held to a pace.
///
/// Only waiting for the client counts: a handler that takes its time does not.
pub(super) struct PacedBody {
    body: Incoming,
    pace: BodyPace,
    received: u64,
    waited: Duration,
    waiting: Option<Instant>,
    patience: Patience,
}

impl PacedBody {
    /// Wraps a body, unless it is over before it begins.
    pub(super) fn wrap(body: Incoming, pace: BodyPace) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        let patience = Patience::default();
        let waited = Duration::ZERO;
        Body::new(Self { body, pace, received: 0, waited, waiting: None, patience })
    }

    /// How long the client may have kept us waiting, for what it sent.
    fn allowance(&self) -> Duration {
        let BodyPace { grace, min_bytes_per_s } = self.pace;
        let earned_ms = self.received.saturating_mul(1000) / min_bytes_per_s.max(1);
        grace.saturating_add(Duration::from_millis(earned_ms))
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some(since) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            this.received += data.map_or(0, |data| data.len() as u64);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let since = *this.waiting.get_or_insert_with(Instant::now);
        let left = this.allowance().saturating_sub(this.waited);
        if this.patience.is_over(cx, since + left) {
            let slow = BodyTooSlow { min_bytes_per_s: this.pace.min_bytes_per_s };
            return Poll::Ready(Some(Err(slow.into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body; its request is in flight until it is dropped.
pub(super) struct TrackedBody {
    pub(super) body: Body,
    pub(super) _in_flight: InFlight,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
