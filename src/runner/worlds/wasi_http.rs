//! `wasi:http/proxy` 0.2: the guest answers while it still runs.

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::oneshot::{self, Receiver};
use wasmtime::{Store, format_err};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme as WasiScheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::runner::error::CallError;
use crate::runner::host::Host;
use crate::runner::invocation::GuestRequest;
use crate::runner::response::GuestResponse;

/// What the guest hands over: a response that may still be growing.
type Handed = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Runs the guest and collects its response at the same time.
///
/// A guest that traps after it has sent headers, or half a body, ends that body
/// as if it were complete; so the response counts only once the guest has
/// returned.
pub(super) async fn call(
    pre: &ProxyPre<Host>,
    store: &mut Store<Host>,
    request: GuestRequest,
    max_body_bytes: u64,
) -> Result<GuestResponse, CallError> {
    let bodiless = request.method == Method::HEAD;
    let (sender, handed) = oneshot::channel();
    let request = incoming(request)?;
    let request = store.data_mut().http().new_incoming_request(WasiScheme::Http, request)?;
    let answer = store.data_mut().http().new_response_outparam(sender)?;

    let run = async {
        let proxy = pre.instantiate_async(&mut *store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, answer).await?;
        // A guest may forget handles; waiting for them would be for ever.
        store.data_mut().release();
        Ok(())
    };
    // In this order: a trap is known before the broken body it leaves.
    let ((), response) = try_join(run, receive(handed, max_body_bytes)).await?;
    if !bodiless {
        check_length(&response)?;
    }
    Ok(response)
}

/// The request in absolute form: both versions of the world want an authority.
fn incoming(
    request: GuestRequest,
) -> wasmtime::Result<Request<impl http_body::Body<Data = Bytes, Error = wasmtime_wasi_http::Error>>>
{
    let GuestRequest { method, path_and_query, authority, headers, body } = request;
    let path = PathAndQuery::from_maybe_shared(Bytes::from(encoded(&path_and_query)))
        .map_err(|error| format_err!("the request path is malformed: {error}"))?;
    let authority = Authority::from_maybe_shared(Bytes::from(authority))
        .unwrap_or_else(|_| Authority::from_static("localhost"));
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path);
    let mut incoming = Request::new(Full::new(body).map_err(|never| match never {}));
    *incoming.method_mut() = method;
    *incoming.uri_mut() = uri.build()?;
    *incoming.headers_mut() = headers;
    Ok(incoming)
}

/// What may stand in a path as it is (RFC 3986 section 3.3).
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The path arrives decoded, and this world wants it as it stands in a request
/// line; the query was never decoded.
fn encoded(path_and_query: &str) -> String {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut text = utf8_percent_encode(path, IN_PATH).to_string();
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text
}

async fn receive(
    handed: Receiver<Handed>,
    max_body_bytes: u64,
) -> Result<GuestResponse, CallError> {
    let (parts, body) = match handed.await {
        Ok(Ok(response)) => response.into_parts(),
        Ok(Err(code)) => {
            return Err(CallError::BadResponse(format!("it answered the error {code}")));
        }
        Err(_dropped) => return Err(CallError::BadResponse("it set no response".to_owned())),
    };
    let body = collect(body, max_body_bytes).await?;
    GuestResponse::checked(parts.status.as_u16(), parts.headers, body, max_body_bytes)
}

/// The whole body. Stops at the first byte too many, and the guest with it.
async fn collect(mut body: HyperOutgoingBody, max_bytes: u64) -> Result<Bytes, CallError> {
    // One piece is the usual case and stays where it is. Many small ones are
    // copied together: kept apart they would cost more than they hold.
    let mut single = None;
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |error| CallError::BadResponse(format!("its body broke off: {error}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let so_far = joined.len() + single.as_ref().map_or(0, Bytes::len);
        if (so_far + data.len()) as u64 > max_bytes {
            return Err(CallError::TooLarge { limit: max_bytes });
        }
        if single.is_none() && joined.is_empty() {
            single = Some(data);
            continue;
        }
        joined.extend_from_slice(&single.take().unwrap_or_default());
        joined.extend_from_slice(&data);
    }
    Ok(single.unwrap_or_else(|| joined.freeze()))
}

/// A body that was dropped instead of finished looks complete; only a length
/// the guest has announced can tell.
fn check_length(response: &GuestResponse) -> Result<(), CallError> {
    let length = announced(&response.headers);
    if length.is_none_or(|length| length == response.body.len() as u64) {
        return Ok(());
    }
    Err(CallError::BadResponse("its body is not as long as it announced".to_owned()))
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
