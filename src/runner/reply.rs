//! How an execution answers: at once and whole, or a head first and the body behind it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::error::{CallError, ExecuteError};
use super::executors::Outbox;
use super::guest_stream::GuestStream;
use super::response::{GuestBody, GuestResponse};

/// What comes of an execution: once, whichever way it ends.
pub(super) type Answered = Result<GuestResponse, ExecuteError>;

/// The one who waits for an execution.
pub(super) struct Reply {
    waiting: Option<oneshot::Sender<Answered>>,
    outbox: Arc<Outbox>,
    /// Of a response that has begun.
    end: Option<oneshot::Sender<Result<(), ExecuteError>>>,
}

impl Reply {
    /// One that goes out by way of `outbox` when it is whole.
    pub(super) fn new(outbox: Arc<Outbox>) -> (Self, oneshot::Receiver<Answered>) {
        let (waiting, answer) = oneshot::channel();
        outbox.expect_one();
        (Self { waiting: Some(waiting), outbox, end: None }, answer)
    }

    /// Hands the head over; the body follows through what comes back, which is closed when
    /// its reader has gone.
    pub(super) fn begin(
        &mut self,
        mut head: GuestResponse,
        length: Option<u64>,
    ) -> Result<mpsc::Sender<Bytes>, CallError> {
        let (sender, stream) = GuestStream::new(length);
        head.body = GuestBody::Stream(stream);
        let waiting = self.waiting.take().ok_or(CallError::Gone)?;
        waiting.send(Ok(head)).map_err(|_| CallError::Gone)?;
        self.end = Some(sender.end);
        Ok(sender.pieces)
    }

    /// Whether the client has part of the answer already.
    pub(super) fn has_begun(&self) -> bool {
        self.end.is_some()
    }

    /// Says how it ended; `None` stands for a response that has begun.
    pub(super) fn end(self, outcome: Result<Option<GuestResponse>, ExecuteError>) {
        // Nobody may be waiting any more: then nobody has to know.
        match (self.waiting, self.end, outcome) {
            (Some(waiting), _, Ok(Some(response))) => self.outbox.put(waiting, Ok(response)),
            (Some(waiting), _, Err(error)) => self.outbox.put(waiting, Err(error)),
            (None, Some(end), outcome) => drop(end.send(outcome.map(|_| ()))),
            (Some(_), _, Ok(None)) | (None, None, _) => {}
        }
    }
}
