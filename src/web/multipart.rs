//! Forms with files (RFC 7578), read part by part: what is held of one at a time has a bound.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::HeaderMap;
use futures_util::{Stream, TryStreamExt};
use http_body::{Frame, SizeHint};

use super::error::ApiError;

/// Bytes in which the head of a part has to end, and what comes before the first one.
const MAX_HEAD_BYTES: u64 = 64 * 1024;
/// Parts of one form: a bundle has 8 signatures and 2 attachments at most.
const MAX_PARTS: u32 = 32;

/// A `multipart/form-data` body. Who reads it counts what it keeps of each part.
pub(super) struct MultipartForm {
    parts: Multipart,
    count: u32,
    read_ahead: Arc<ReadAhead>,
    /// The bytes of all of it, if the client said.
    pub(super) length: Option<u64>,
}

/// One part of a form; read to its end before the next one is asked for.
pub(super) struct Part<'a> {
    field: Field<'a>,
    read_ahead: &'a ReadAhead,
}

/// What the parser has read since it last had something to show for it. It reads whatever is
/// there and searches all of that again each time, so what never ends would fill the memory, and
/// keep a processor busy with the square of it.
#[derive(Default)]
struct ReadAhead {
    bytes: AtomicU64,
    /// The parser has been made to look at what it has.
    paused: AtomicBool,
    over: AtomicBool,
}

/// The body, as far as it may be read ahead.
struct BoundedBody {
    body: Body,
    read_ahead: Arc<ReadAhead>,
}

impl<S: Send + Sync> FromRequest<S> for MultipartForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let length = http_body::Body::size_hint(request.body()).exact();
        let read_ahead = Arc::<ReadAhead>::default();
        let bounded = |body| BoundedBody { body, read_ahead: Arc::clone(&read_ahead) };
        let mut request = request.map(|body| Body::new(bounded(body)));
        // axum would cut it off at 2 MB.
        DefaultBodyLimit::disable().apply(&mut request);
        let parts = Multipart::from_request(request, state).await.map_err(|_| {
            ApiError::malformed(
                "the body must be a form, with `content-type: multipart/form-data; boundary=…`",
            )
        })?;
        Ok(Self { parts, count: 0, read_ahead, length })
    }
}

impl MultipartForm {
    /// The next part, if there is one. One more than 32, and one whose head takes more than
    /// 64 KiB, is refused.
    pub(super) async fn next_part(&mut self) -> Result<Option<Part<'_>>, ApiError> {
        let read_ahead = &*self.read_ahead;
        let field = self.parts.next_field().await.map_err(|error| {
            if read_ahead.over.load(Relaxed) {
                ApiError::too_large("the head of a part of the form", MAX_HEAD_BYTES, None)
            } else {
                broken(&error)
            }
        })?;
        let Some(field) = field else { return Ok(None) };
        read_ahead.begin_anew();
        self.count += 1;
        if self.count > MAX_PARTS {
            let detail = format!("the form has more than {MAX_PARTS} parts");
            return Err(ApiError::malformed(detail));
        }
        Ok(Some(Part { field, read_ahead }))
    }
}

impl Part<'_> {
    /// Empty if it has none.
    pub(super) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.field.headers()
    }

    /// What comes next of its content; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.try_next().await.map_err(|error| broken(&error))
    }
}

impl Stream for Part<'_> {
    type Item = Result<Bytes, MultipartError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.field).poll_next(cx));
        self.read_ahead.begin_anew();
        Poll::Ready(chunk)
    }
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::malformed(format!("the form cannot be read: {}", error.body_text()))
}

impl ReadAhead {
    fn begin_anew(&self) {
        self.bytes.store(0, Relaxed);
        self.paused.store(false, Relaxed);
    }
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.read_ahead.bytes.load(Relaxed) >= MAX_HEAD_BYTES {
            // What was read may be content, with its head before it: the parser finds that if it
            // is told that there is no more for the moment, and asks again if it does not.
            if !self.read_ahead.paused.swap(true, Relaxed) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.read_ahead.over.store(true, Relaxed);
            let error = io::Error::other("the head of a part has no end");
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
            let bytes = data.map_or(0, Bytes::len) as u64;
            self.read_ahead.bytes.fetch_add(bytes, Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
