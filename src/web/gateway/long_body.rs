//! A body that is all there and too long for a client to take as slowly as it likes.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// Bytes handed on at once: what is behind them waits here, where it can be given up.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that are handed on until a moment, and given up after it.
///
/// It is looked at when the client has taken what was handed on before; a client that takes
/// nothing, or hardly anything, the connection itself gives up.
pub(super) struct LongBody {
    rest: Bytes,
    until: Instant,
}

/// The client reads its answer too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the client took too long to read its answer, of which {0} bytes are left")]
struct ReadTooSlowly(usize);

impl LongBody {
    pub(super) fn until(until: Instant, rest: Bytes) -> Body {
        Body::new(Self { rest, until })
    }
}

impl HttpBody for LongBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { rest, until } = self.get_mut();
        if rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() >= *until {
            let left = std::mem::take(rest).len();
            return Poll::Ready(Some(Err(ReadTooSlowly(left).into())));
        }
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
