//! `wasi:http/proxy` 0.2: the guest answers while it still runs.

mod growing;
mod incoming;

use std::pin::{Pin, pin};

use bytes::Bytes;
use futures_util::future::try_join;
use http::Method;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout, timeout_at};
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme as WasiScheme;

use self::growing::{Begun, Growing, Rest, begin};
use crate::runner::error::CallError;
use crate::runner::execution::AnswerLimits;
use crate::runner::host::Host;
use crate::runner::invocation::GuestRequest;
use crate::runner::reply::Reply;
use crate::runner::response::GuestResponse;

/// A guest at work.
trait Run: Future<Output = Result<(), CallError>> + Send {}

impl<F: Future<Output = Result<(), CallError>> + Send> Run for F {}

/// Runs the guest, and hands its response on whole if it is complete when the guest first
/// waits, else as it grows.
///
/// A guest that traps after it has sent headers, or half a body, ends that body
/// as if it were complete; so a response counts only once the guest has
/// returned, and until then its last byte or its end is kept back.
pub(super) async fn call(
    pre: &ProxyPre<Host>,
    store: &mut Store<Host>,
    request: Box<GuestRequest>,
    limits: &AnswerLimits,
    reply: &mut Reply,
) -> Result<Option<GuestResponse>, CallError> {
    let bodiless = request.method == Method::HEAD;
    let (_, upload) = request.body.extent();
    let (sender, handed) = oneshot::channel();
    let request = incoming::incoming(*request)?;
    let request = store.data_mut().http().new_incoming_request(WasiScheme::Http, request)?;
    let answer = store.data_mut().http().new_response_outparam(sender)?;

    let mut run = pin!(async {
        let proxy = pre.instantiate_async(&mut *store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, answer).await?;
        // A guest may forget handles; waiting for them would be for ever.
        store.data_mut().release();
        Ok(())
    });
    let growing = Growing::new(handed, bodiless, limits.max_bytes);
    let begun = begin(run.as_mut(), growing, upload.as_deref());
    match begun.await? {
        Begun::Whole(response) => Ok(Some(response)),
        Begun::Head(head, rest) => {
            let pieces = reply.begin(head, rest.length())?;
            // Most answers are whole, and need no room for this.
            Box::pin(stream(run, rest, limits, &pieces)).await?;
            Ok(None)
        }
    }
}

/// Sends the rest of a response as it grows, within the time of a stream.
async fn stream(
    run: Pin<&mut impl Run>,
    rest: Rest,
    limits: &AnswerLimits,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(), CallError> {
    let sent = async {
        // In this order: a trap is known before the broken body it leaves.
        let ((), last) = try_join(run, forward(rest, limits, pieces)).await?;
        match last {
            Some(last) => limits.send(pieces, last).await,
            None => Ok(()),
        }
    };
    let total = limits.stream.total;
    tokio::select! {
        biased;
        sent = timeout_at(limits.started + total, sent) => {
            sent.unwrap_or(Err(CallError::Deadline(total)))
        }
        () = pieces.closed() => Err(CallError::Gone),
    }
}

/// Sends pieces until there are no more. The piece that completes an announced length is
/// not sent but given back: with it the client would have a complete response.
async fn forward(
    mut rest: Rest,
    limits: &AnswerLimits,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<Option<Bytes>, CallError> {
    let idle = limits.stream.idle;
    let mut last = None;
    loop {
        let piece = timeout(idle, rest.next()).await.unwrap_or(Err(CallError::Idle(idle)))?;
        let Some(piece) = piece else { return Ok(last) };
        if rest.is_complete() {
            last = Some(piece);
        } else {
            limits.send(pieces, piece).await?;
        }
    }
}
