//! `alga:extension/runner`: one request in, one response out.

use bytes::Bytes;
use http::HeaderMap;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use crate::runner::bindings::types::{ExecuteRequest, ExecuteResponse, HttpHeader, HttpRequest};
use crate::runner::bindings::{ExtensionPre, ExtensionWorld};
use crate::runner::error::CallError;
use crate::runner::host::Host;
use crate::runner::invocation::GuestRequest;
use crate::runner::response::{GuestResponse, check_count, header};

/// Adds all twelve interfaces: toolchains import every one of the world they
/// were given, used or not.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    ExtensionWorld::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

pub(super) async fn call(
    pre: &ExtensionPre<Host>,
    store: &mut Store<Host>,
    request: GuestRequest,
    max_body_bytes: u64,
) -> Result<GuestResponse, CallError> {
    let request = ExecuteRequest { context: store.data().context().into(), http: request.into() };
    let world = pre.instantiate_async(&mut *store).await?;
    let response = world.call_handler(&mut *store, &request).await?;
    respond(response, max_body_bytes)
}

impl From<GuestRequest> for HttpRequest {
    fn from(request: GuestRequest) -> Self {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| HttpHeader {
            name: name.as_str().to_owned(),
            // WIT strings are UTF-8, header values need not be.
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        Self {
            method: request.method.as_str().to_owned(),
            url: request.path_and_query,
            headers: request.headers.iter().map(header).collect(),
            body: (!request.body.is_empty()).then(|| request.body.into()),
        }
    }
}

fn respond(response: ExecuteResponse, max_body_bytes: u64) -> Result<GuestResponse, CallError> {
    let ExecuteResponse { status, headers: pairs, body } = response;
    check_count(pairs.len())?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for HttpHeader { name, value } in pairs {
        let (name, value) = header(&name, &value)?;
        headers.append(name, value);
    }
    let body = body.map_or_else(Bytes::new, Bytes::from);
    GuestResponse::checked(status, headers, body, max_body_bytes)
}
