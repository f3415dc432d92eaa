//! A response body that grows while the client reads it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use super::error::ExecuteError;

/// Pieces that wait for their reader. The guest waits behind them.
const WAITING_PIECES: usize = 1;

/// The rest of a response: bytes, and at the end whether all of it came.
///
/// Dropping it ends the execution. It ends well only when the guest has returned: a guest
/// that traps leaves a body that looks complete, so that is for the execution to say.
#[derive(Debug)]
pub struct GuestStream {
    pieces: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Result<(), ExecuteError>>>,
    /// Bytes still to come, if the guest has announced how many there are.
    left: Option<u64>,
}

/// The other end: the execution that makes the body.
pub(super) struct StreamSender {
    pub(super) pieces: mpsc::Sender<Bytes>,
    pub(super) end: oneshot::Sender<Result<(), ExecuteError>>,
}

impl GuestStream {
    pub(super) fn new(length: Option<u64>) -> (StreamSender, Self) {
        let (pieces, receiver) = mpsc::channel(WAITING_PIECES);
        let (end, ended) = oneshot::channel();
        let stream = Self { pieces: receiver, end: Some(ended), left: length };
        (StreamSender { pieces, end }, stream)
    }

    /// How long the body is, as the guest has announced it.
    pub fn announced(&self) -> Option<u64> {
        self.left
    }
}

impl Body for GuestStream {
    type Data = Bytes;
    type Error = ExecuteError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExecuteError>>> {
        let this = self.get_mut();
        if let Some(piece) = ready!(this.pieces.poll_recv(cx)) {
            this.left = this.left.map(|left| left.saturating_sub(piece.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(end) = this.end.as_mut() else { return Poll::Ready(None) };
        let ended = ready!(Pin::new(end).poll(cx)).unwrap_or(Err(ExecuteError::Stopped));
        this.end = None;
        Poll::Ready(ended.err().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        // The last byte of an announced length is sent when the guest has returned.
        self.end.is_none() || self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn collected(end: Option<Result<(), ExecuteError>>) -> Result<Bytes, ExecuteError> {
        let (sender, stream) = GuestStream::new(None);
        sender.pieces.send(Bytes::from_static(b"half")).await.unwrap();
        drop(sender.pieces);
        if let Some(end) = end {
            sender.end.send(end).unwrap();
        } else {
            drop(sender.end);
        }
        Ok(stream.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_body_without_a_good_end_is_an_error() {
        assert_eq!(collected(Some(Ok(()))).await.unwrap(), "half");
        let trapped = collected(Some(Err(ExecuteError::Trap(String::new())))).await;
        assert!(matches!(trapped, Err(ExecuteError::Trap(_))));
        assert!(matches!(collected(None).await, Err(ExecuteError::Stopped)));
    }
}
