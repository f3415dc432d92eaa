//! A request as `wasi:http` has it.

use bytes::Bytes;
use http::Request;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use wasmtime::format_err;
use wasmtime_wasi_http::WasiBody;

use crate::runner::invocation::GuestRequest;
use crate::runner::request_body::RequestBody;

/// The request in absolute form: both versions of the world want an authority.
pub(super) fn incoming(request: GuestRequest) -> wasmtime::Result<Request<WasiBody>> {
    let GuestRequest { method, path_and_query, authority, headers, body } = request;
    let path = PathAndQuery::from_maybe_shared(Bytes::from(encoded(&path_and_query)))
        .map_err(|error| format_err!("the request path is malformed: {error}"))?;
    let authority = Authority::from_maybe_shared(Bytes::from(authority))
        .unwrap_or_else(|_| Authority::from_static("localhost"));
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path);
    let body = match body {
        RequestBody::Whole(body) => Full::new(body).map_err(|never| match never {}).boxed_unsync(),
        RequestBody::Stream(upload) => upload.boxed_unsync(),
    };
    let mut incoming = Request::new(body);
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
