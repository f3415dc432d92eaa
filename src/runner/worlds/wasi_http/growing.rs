//! A response while the guest still works on it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::sync::oneshot::Receiver;
use wasmtime_wasi_http::Error as HttpError;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Run;
use crate::pieces::Pieces;
use crate::runner::error::CallError;
use crate::runner::request_body::UploadWatch;
use crate::runner::response::{GuestResponse, announced};

/// What the guest hands over: a response that may still be growing.
type Handed = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Bytes that are collected before a response goes out as a stream.
const WHOLE_BYTES: usize = 64 * 1024;
/// How often a guest that waits for room in its body is let go on before that.
const WHOLE_ROUNDS: usize = 64;

/// How a response began.
pub(super) enum Begun {
    /// It is all there, and the guest has returned.
    Whole(GuestResponse),
    Head(GuestResponse, Rest),
}

/// A response as far as it has come.
pub(super) struct Growing {
    handed: Receiver<Handed>,
    head: Option<(Parts, HyperOutgoingBody)>,
    pieces: Pieces,
    ended: bool,
    /// The answer to HEAD: the guest may announce a body and send none.
    bodiless: bool,
    max_bytes: u64,
}

/// The rest of a response whose head has gone out.
pub(super) struct Rest {
    first: Bytes,
    body: Option<HyperOutgoingBody>,
    sent: u64,
    length: Option<u64>,
    max_bytes: u64,
}

/// Runs the guest until its response is complete, or until it waits for something else than
/// room for its body. A head that has no body is all of a response, so it waits for the guest
/// to return; not so the answer to HEAD, which would never come of a body without end.
pub(super) async fn begin(
    mut run: Pin<&mut impl Run>,
    mut growing: Growing,
    upload: Option<&UploadWatch>,
) -> Result<Begun, CallError> {
    let returned = poll_fn(|cx| {
        for _ in 0..WHOLE_ROUNDS {
            let ran = run.as_mut().poll(cx);
            // Nothing was answered yet, so the client can still be told.
            if let Some(fault) = upload.and_then(UploadWatch::fault) {
                return Poll::Ready(Err(CallError::Upload(fault)));
            }
            if let Poll::Ready(returned) = ran {
                return Poll::Ready(returned.and_then(|()| growing.take(cx)).map(|_| true));
            }
            if !growing.take(cx)? || growing.pieces.len() >= WHOLE_BYTES {
                break;
            }
        }
        if growing.may_go_out() { Poll::Ready(Ok(false)) } else { Poll::Pending }
    });
    if returned.await? { growing.whole().map(Begun::Whole) } else { growing.split() }
}

impl Growing {
    pub(super) fn new(handed: Receiver<Handed>, bodiless: bool, max_bytes: u64) -> Self {
        let pieces = Pieces::default();
        Self { handed, head: None, pieces, ended: false, bodiless, max_bytes }
    }

    fn may_go_out(&self) -> bool {
        let may_have_body =
            |parts: &Parts| !has_no_content(parts) && announced(&parts.headers) != Some(0);
        self.head.as_ref().is_some_and(|(parts, _)| self.bodiless || may_have_body(parts))
    }

    /// Takes what there is; says whether the guest may have room for more now.
    fn take(&mut self, cx: &mut Context<'_>) -> Result<bool, CallError> {
        if self.head.is_none() {
            let Poll::Ready(handed) = Pin::new(&mut self.handed).poll(cx) else {
                return Ok(false);
            };
            self.head = Some(accept(handed.ok())?.into_parts());
        }
        let Some((parts, body)) = &mut self.head else { return Ok(false) };
        let nobody_sees_it = has_no_content(parts);
        let mut took = false;
        while !self.ended {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
            match frame {
                None => self.ended = true,
                Some(Err(_)) if self.bodiless || nobody_sees_it => self.ended = true,
                Some(_) if nobody_sees_it => took = true,
                Some(frame) => {
                    took = true;
                    self.pieces.push(data(frame)?);
                    if self.pieces.len() as u64 > self.max_bytes {
                        return Err(CallError::TooLarge { limit: self.max_bytes });
                    }
                }
            }
        }
        Ok(took)
    }

    fn whole(self) -> Result<GuestResponse, CallError> {
        let (parts, _) = self.head.ok_or_else(unset)?;
        let (body, length) = (self.pieces.join(), announced(&parts.headers));
        let bodiless = self.bodiless || has_no_content(&parts);
        if !bodiless && length.is_some_and(|length| length != body.len() as u64) {
            return Err(wrong_length());
        }
        GuestResponse::checked(parts.status.as_u16(), parts.headers, body, self.max_bytes)
    }

    fn split(self) -> Result<Begun, CallError> {
        let (parts, body) = self.head.ok_or_else(unset)?;
        let length = announced(&parts.headers);
        if !self.bodiless && length.is_some_and(|length| length > self.max_bytes) {
            return Err(CallError::TooLarge { limit: self.max_bytes });
        }
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        let head = GuestResponse::checked(status, headers, Bytes::new(), self.max_bytes)?;
        let rest = Rest {
            first: self.pieces.join(),
            body: (!self.ended).then_some(body),
            sent: 0,
            length,
            max_bytes: self.max_bytes,
        };
        Ok(Begun::Head(head, rest))
    }
}

impl Rest {
    /// How long the whole body is, as the guest has announced it.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the guest has sent as much as it has announced.
    pub(super) fn is_complete(&self) -> bool {
        self.length == Some(self.sent)
    }

    /// The next piece, never an empty one. Stops at the first byte too many.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let piece = loop {
            let first = std::mem::take(&mut self.first);
            if !first.is_empty() {
                break first;
            }
            let frame = match &mut self.body {
                Some(body) => body.frame().await,
                None => None,
            };
            let Some(frame) = frame else {
                self.body = None;
                // A body that was dropped instead of finished looks complete; only a
                // length the guest has announced can tell.
                let short = self.length.is_some() && !self.is_complete();
                return if short { Err(wrong_length()) } else { Ok(None) };
            };
            let piece = data(frame)?;
            if !piece.is_empty() {
                break piece;
            }
        };
        self.sent += piece.len() as u64;
        if self.sent > self.max_bytes {
            return Err(CallError::TooLarge { limit: self.max_bytes });
        }
        if self.length.is_some_and(|length| self.sent > length) {
            return Err(wrong_length());
        }
        Ok(Some(piece))
    }
}

fn accept(handed: Option<Handed>) -> Result<Response<HyperOutgoingBody>, CallError> {
    let refused = |code| CallError::BadResponse(format!("it answered the error {code}"));
    handed.ok_or_else(unset)?.map_err(refused)
}

/// Whether there is no body whatever the guest writes (RFC 9110 sections 15.3.5 and 15.4.5).
fn has_no_content(parts: &Parts) -> bool {
    matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn unset() -> CallError {
    CallError::BadResponse("it set no response".to_owned())
}

fn wrong_length() -> CallError {
    CallError::BadResponse("its body is not as long as it announced".to_owned())
}

/// The bytes of a frame; trailers have none, and go nowhere.
fn data(frame: Result<Frame<Bytes>, HttpError>) -> Result<Bytes, CallError> {
    let broken = |error| CallError::BadResponse(format!("its body broke off: {error}"));
    Ok(frame.map_err(broken)?.into_data().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Waker;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::runner::timekeeper::Timekeeper;

    /// A response whose body is what its sender is given.
    fn response() -> (mpsc::UnboundedSender<Bytes>, Growing) {
        let (sender, mut written) = mpsc::unbounded_channel();
        let body = stream::poll_fn(move |cx| written.poll_recv(cx));
        let body = StreamBody::new(body.map(|piece| Ok(Frame::data(piece))));
        let (hands, handed) = oneshot::channel();
        hands.send(Ok(Response::new(body.boxed_unsync()))).unwrap();
        (sender, Growing::new(handed, false, 1_000))
    }

    #[test]
    fn a_guest_that_writes_and_gives_its_thread_back_goes_on_in_the_next_turn() {
        let time = Arc::new(Timekeeper::new(Duration::from_secs(1)));
        let (sender, growing) = response();
        let rounds = AtomicUsize::new(0);
        let run = pin!(async {
            loop {
                rounds.fetch_add(1, Relaxed);
                sender.send(Bytes::from_static(b"x")).unwrap();
                Arc::clone(&time).give_back().await;
            }
        });
        let mut begun = pin!(begin(run, growing, None));

        let mut cx = Context::from_waker(Waker::noop());
        let turn = time.count(|| begun.as_mut().poll(&mut cx));

        assert!(matches!(turn, Poll::Ready(Ok(Begun::Head(..)))));
        assert_eq!(rounds.load(Relaxed), 1);
    }
}
