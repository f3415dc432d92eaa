//! `alga:extension/runner`: one request in, one response out.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Store, format_err};

use crate::runner::bindings::types::{
    ContextDataParam, ExecuteRequest, ExecuteResponse, HttpHeaderParam, HttpHeaderResult,
    HttpRequestParam,
};
use crate::runner::bindings::{ExtensionPre, ExtensionWorld};
use crate::runner::error::CallError;
use crate::runner::host::Host;
use crate::runner::invocation::{ExecutionContext, GuestRequest};
use crate::runner::request_body::RequestBody;
use crate::runner::response::{GuestResponse, check_count, header};

/// Adds all twelve interfaces: toolchains import every one of the world they
/// were given, used or not.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    ExtensionWorld::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

pub(super) async fn call(
    pre: &ExtensionPre<Host>,
    store: &mut Store<Host>,
    request: Box<GuestRequest>,
    max_body_bytes: u64,
) -> Result<GuestResponse, CallError> {
    let RequestBody::Whole(body) = &request.body else {
        return Err(format_err!("this world takes request bodies whole").into());
    };
    let context = store.data().context().clone();
    let world = pre.instantiate_async(&mut *store).await?;
    // WIT strings are UTF-8, header values need not be.
    let text = |value| String::from_utf8_lossy(HeaderValue::as_bytes(value));
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| HttpHeaderParam { name, value }).collect();
    let request = ExecuteRequest {
        context: lend_context(&context),
        http: HttpRequestParam {
            method: request.method.as_str(),
            url: &request.path_and_query,
            headers: &headers,
            body: (!body.is_empty()).then_some(body),
        },
    };
    let response = world.call_handler(&mut *store, request).await?;
    respond(response, max_body_bytes)
}

fn lend_context(context: &ExecutionContext) -> ContextDataParam<'_> {
    let install = &context.install;
    ContextDataParam {
        request_id: Some(&context.request_id),
        tenant_id: install.tenant.as_str(),
        extension_id: install.extension.as_str(),
        install_id: Some(install.install_text()),
        version_id: Some(install.version_text()),
    }
}

fn respond(response: ExecuteResponse, max_body_bytes: u64) -> Result<GuestResponse, CallError> {
    let ExecuteResponse { status, headers: pairs, body } = response;
    check_count(pairs.len())?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for HttpHeaderResult { name, value } in pairs {
        let (name, value) = header(&name, &value)?;
        headers.append(name, value);
    }
    let body = body.map_or_else(Bytes::new, Bytes::from);
    GuestResponse::checked(status, headers, body, max_body_bytes)
}
