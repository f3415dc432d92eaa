//! What a guest reads of its request: a body that is there, or one that still arrives.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use wasmtime_wasi_http::Error as HttpError;

/// The body of a request.
#[derive(Debug)]
pub enum RequestBody {
    Whole(Bytes),
    /// Only for worlds that stream.
    Stream(Upload),
}

/// A body that arrives while the guest reads it: nothing of it is kept.
pub struct Upload {
    body: UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>,
    left: u64,
    ended: bool,
    watch: Arc<UploadWatch>,
}

/// What the execution wants to know of an upload that its guest holds.
#[derive(Debug)]
pub(super) struct UploadWatch {
    limit: u64,
    received: AtomicU64,
    state: Mutex<UploadState>,
}

#[derive(Debug, Default)]
struct UploadState {
    waited: Duration,
    waiting_since: Option<Instant>,
    fault: Option<UploadFault>,
}

/// Why the rest of an upload will not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UploadFault {
    TooLarge { limit: u64 },
    BrokeOff(String),
}

impl RequestBody {
    /// Bytes that are there, and what will know of those that still come.
    pub(super) fn extent(&self) -> (u64, Option<Arc<UploadWatch>>) {
        match self {
            Self::Whole(body) => (body.len() as u64, None),
            Self::Stream(upload) => (0, Some(upload.watch())),
        }
    }
}

impl Upload {
    /// At most `limit` bytes of `body`: reading more is an error.
    pub fn new<B>(body: B, limit: u64) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let watch = UploadWatch { limit, received: AtomicU64::new(0), state: Mutex::default() };
        let body = body.map_err(Into::into).boxed_unsync();
        Self { body, left: limit, ended: false, watch: Arc::new(watch) }
    }

    pub(super) fn watch(&self) -> Arc<UploadWatch> {
        Arc::clone(&self.watch)
    }

    fn fail(&mut self, fault: UploadFault) -> HttpError {
        self.ended = true;
        let error = match fault {
            UploadFault::TooLarge { .. } => HttpError::HttpRequestBodySize(None),
            UploadFault::BrokeOff(_) => HttpError::ConnectionTerminated,
        };
        self.watch.state().fault = Some(fault);
        error
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            this.watch.state().waiting_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        this.watch.state().end_wait();
        // Trailers have not passed the list of headers that a guest may see.
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(error)) => {
                let fault = UploadFault::BrokeOff(error.to_string());
                return Poll::Ready(Some(Err(this.fail(fault))));
            }
            None => None,
        };
        let Some(data) = data else {
            this.ended = true;
            return Poll::Ready(None);
        };
        let Some(left) = this.left.checked_sub(data.len() as u64) else {
            let fault = UploadFault::TooLarge { limit: this.watch.limit };
            return Poll::Ready(Some(Err(this.fail(fault))));
        };
        this.left = left;
        this.watch.received.fetch_add(data.len() as u64, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("left", &self.left).finish_non_exhaustive()
    }
}

impl UploadWatch {
    /// The guest does something else, whether the client has sent more or not.
    pub(super) fn turn_away(&self) {
        self.state().end_wait();
    }

    /// How long the guest has waited for the client.
    pub(super) fn waited(&self) -> Duration {
        let state = self.state();
        state.waited + state.waiting_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Bytes that the guest was given.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(super) fn fault(&self) -> Option<UploadFault> {
        self.state().fault.clone()
    }

    fn state(&self) -> MutexGuard<'_, UploadState> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UploadState {
    fn end_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests;
