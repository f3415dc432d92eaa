//! The way out of one execution, for `http.fetch` and for `wasi:http/outgoing-handler`: the
//! same door, with the errors of either world.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody, WasiHttpHooks};

use super::credentials::Credentials;
use crate::egress::{Call, Caller, Destination, Egress, EgressError, InvalidDestination};
use crate::egress::{MAX_FIELDS, OutgoingBody, ReceivedBody, SecretRefusal};
use crate::model::{Allowance, EndpointMethod};
use crate::runner::bindings::types::{
    HttpError, HttpHeaderResult, HttpRequestResult, HttpResponse,
};
use crate::traces::{Kind, Part, Span, Trace};

/// Bytes of a body in one piece.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// What one execution may call, and how often it still may.
pub(super) struct Outgoing {
    /// `None`: nothing is called, because the install may not, or the appliance has no way out.
    door: Option<Box<Door>>,
    made: u32,
    trace: Trace,
}

/// The way out, who goes through it, and what goes with it.
#[derive(Clone)]
struct Door {
    egress: Egress,
    caller: Caller,
    credentials: Credentials,
}

impl Outgoing {
    /// Without a way out.
    pub(super) fn none() -> Self {
        Self { door: None, made: 0, trace: Trace::default() }
    }

    /// To what the lists allow.
    pub(super) fn new(egress: Egress, credentials: Credentials, allowance: Arc<Allowance>) -> Self {
        let request_id = Arc::clone(&credentials.context.request_id);
        let install = Arc::clone(&credentials.context.install);
        let caller = Caller { request_id, install, allowance };
        let trace = credentials.context.trace.clone();
        Self { door: Some(Box::new(Door { egress, caller, credentials })), made: 0, trace }
    }

    /// The door, if the execution may make one more call.
    fn open(&mut self) -> Result<Option<Box<Door>>, EgressError> {
        let Some(door) = &self.door else { return Ok(None) };
        let most = door.egress.calls_per_execution();
        // Each try counts, also of what is refused: it is work for the host.
        if self.made >= most {
            return Err(EgressError::Spent(most));
        }
        self.made += 1;
        Ok(Some(door.clone()))
    }

    /// `http.fetch`: the whole request, then the whole response.
    pub(super) async fn fetch(
        &mut self,
        request: HttpRequestResult,
    ) -> Result<HttpResponse, HttpError> {
        let mut call = read(request)?;
        let Some(door) = self.open().map_err(|error| of_fetch(&error))? else {
            return Err(HttpError::NotAllowed);
        };
        let part = called(&self.trace, &mut call, "http.fetch");
        let response = answered(&part, door.call(call).await);
        let (head, body) = response.map_err(|error| of_fetch(&error))?.into_parts();
        // Here the contract has another word for the same faults.
        let body = part.end(body.whole().await, EgressError::word);
        let body = body.map_err(|_| HttpError::Internal)?;
        Ok(HttpResponse {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(|(name, value)| shown(name, value)).collect(),
            body: Some(body),
        })
    }
}

impl Door {
    async fn call(self, mut call: Call) -> Result<Response<ReceivedBody>, EgressError> {
        let Self { egress, caller, credentials } = self;
        call.credentials = credentials.take(&mut call.headers, &call.to).await;
        egress.call(caller, call).await
    }
}

/// A call as a part of what the guest does, which the server may be told.
///
/// Of the URL only the server is told: a path and a query have what no trace is for.
fn called(trace: &Trace, call: &mut Call, host_call: &'static str) -> Part {
    let part = trace.part(|| {
        let (method, to) = (named(&call.method), &call.to);
        Span::new(Kind::Client, method)
            .with("http.request.method", method)
            .with("server.address", to.host().to_string())
            .with("server.port", to.port())
            .with("url.scheme", to.scheme().as_str())
            .with("plugboard.host_call", host_call)
    });
    call.parent = part.context();
    part
}

/// What a trace has for methods that are not sent.
fn named(method: &Method) -> &'static str {
    EndpointMethod::parse(method.as_str()).map_or("_OTHER", EndpointMethod::as_str)
}

/// Notes how a response began.
fn answered(
    part: &Part,
    response: Result<Response<ReceivedBody>, EgressError>,
) -> Result<Response<ReceivedBody>, EgressError> {
    part.note(|span| match &response {
        Ok(response) => span.answered(response.status().as_u16()),
        Err(error) => span.fail(error.word()),
    });
    response
}

/// The request of a guest, as far as it can be sent.
fn read(request: HttpRequestResult) -> Result<Call, HttpError> {
    let to = Destination::parse(&request.url).map_err(|_| HttpError::InvalidUrl)?;
    let method =
        Method::from_bytes(request.method.as_bytes()).map_err(|_| HttpError::InvalidUrl)?;
    // A map of fields has room for some ten thousand, and ends the program beyond.
    if request.headers.len() > MAX_FIELDS {
        return Err(HttpError::Transport);
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for HttpHeaderResult { name, value } in &request.headers {
        // A line end in a value would begin another field, or another request.
        let name: HeaderName = name.parse().map_err(|_| HttpError::Transport)?;
        let value: HeaderValue = value.parse().map_err(|_| HttpError::Transport)?;
        headers.append(name, value);
    }
    let body = Full::new(Bytes::from(request.body.unwrap_or_default()));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let credentials = Ok(Vec::new());
    Ok(Call { to, method, headers, body, patience: None, credentials, parent: None })
}

/// A field of a response. WIT strings are text: other values become empty, which is
/// what existing hosts give.
fn shown(name: &HeaderName, value: &HeaderValue) -> HttpHeaderResult {
    let value = value.to_str().unwrap_or_default().to_owned();
    HttpHeaderResult { name: name.as_str().to_owned(), value }
}

/// The case of the extension world for what went wrong before the response began.
fn of_fetch(error: &EgressError) -> HttpError {
    match error {
        EgressError::Destination(_) | EgressError::Method(_) => HttpError::InvalidUrl,
        EgressError::ResponseTooLarge(_)
        | EgressError::Interfaces(_)
        | EgressError::Secret(SecretRefusal::Unreadable(_)) => HttpError::Internal,
        EgressError::Denied(_)
        | EgressError::Address { .. }
        | EgressError::OwnHost(_)
        | EgressError::Secret(_) => HttpError::NotAllowed,
        EgressError::Fields
        | EgressError::NoAddress(_)
        | EgressError::Resolve { .. }
        | EgressError::ResolveTimeout { .. }
        | EgressError::Connect { .. }
        | EgressError::ConnectTimeout { .. }
        | EgressError::Tls { .. }
        | EgressError::Timeout(_)
        | EgressError::RequestTooLarge(_)
        | EgressError::ResponseFields
        | EgressError::Broken(_)
        | EgressError::RequestBody
        | EgressError::Busy(_)
        | EgressError::TenantBusy(_)
        | EgressError::InstallBusy(_)
        | EgressError::Spent(_)
        | EgressError::Quota(_)
        | EgressError::Crowded(_)
        | EgressError::Abandoned
        | EgressError::Stopped => HttpError::Transport,
    }
}

/// The case of `wasi:http` for what went wrong.
fn of_wasi(error: &EgressError) -> WasiError {
    match error {
        EgressError::Destination(InvalidDestination::TooLong(_)) => {
            WasiError::HttpRequestUriTooLong
        }
        EgressError::Destination(_) => WasiError::HttpRequestUriInvalid,
        EgressError::Method(_) => WasiError::HttpRequestMethodInvalid,
        EgressError::Interfaces(_) | EgressError::Secret(SecretRefusal::Unreadable(_)) => {
            WasiError::InternalError(None)
        }
        EgressError::Denied(_) | EgressError::Secret(_) | EgressError::Quota(_) => {
            WasiError::HttpRequestDenied
        }
        EgressError::Fields => WasiError::HttpRequestHeaderSectionSize(None),
        EgressError::Address { .. } | EgressError::OwnHost(_) => WasiError::DestinationIpProhibited,
        EgressError::NoAddress(_) => WasiError::DestinationNotFound,
        EgressError::Resolve { .. } => WasiError::DnsError { rcode: None, info_code: None },
        EgressError::ResolveTimeout { .. } => WasiError::DnsTimeout,
        EgressError::Connect { .. } => WasiError::ConnectionRefused,
        EgressError::ConnectTimeout { .. } => WasiError::ConnectionTimeout,
        EgressError::Tls { .. } => WasiError::TlsCertificateError,
        EgressError::Timeout(_) => WasiError::HttpResponseTimeout,
        EgressError::RequestTooLarge(limit) => WasiError::HttpRequestBodySize(Some(*limit)),
        EgressError::ResponseTooLarge(limit) => WasiError::HttpResponseBodySize(Some(*limit)),
        EgressError::ResponseFields => WasiError::HttpResponseHeaderSectionSize(None),
        EgressError::Broken(_) => WasiError::HttpResponseIncomplete,
        EgressError::RequestBody => WasiError::HttpProtocolError,
        EgressError::Busy(_)
        | EgressError::TenantBusy(_)
        | EgressError::InstallBusy(_)
        | EgressError::Spent(_)
        | EgressError::Crowded(_) => WasiError::ConnectionLimitReached,
        EgressError::Abandoned | EgressError::Stopped => WasiError::ConnectionTerminated,
    }
}

type Sent = Result<(), WasiError>;
type Sending = Box<dyn Future<Output = Sent> + Send>;
type Answered = Result<(Response<WasiBody>, Sending), WasiError>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Sending,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let (opened, trace) = (self.open(), self.trace.clone());
        Box::new(async move {
            let Some(door) = opened.map_err(|error| of_wasi(&error))? else {
                return Err(WasiError::HttpRequestDenied);
            };
            let mut call = translate(request, options)?;
            let part = called(&trace, &mut call, "wasi:http/outgoing-handler");
            let response = answered(&part, door.call(call).await);
            let response = response.map_err(|error| of_wasi(&error))?;
            // With the body goes the part: it ends when nobody reads any more.
            let broke = move |error: EgressError| {
                part.note(|span| span.fail(error.word()));
                of_wasi(&error)
            };
            let response = response.map(|body: ReceivedBody| body.map_err(broke).boxed_unsync());
            let nothing_more: Sending = Box::new(async { Ok(()) });
            Ok((response, nothing_more))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

fn translate(
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<Call, WasiError> {
    let (head, body) = request.into_parts();
    let invalid = |error| of_wasi(&EgressError::Destination(error));
    let to = Destination::of_parts(&head.uri).map_err(invalid)?;
    let body: OutgoingBody = body.map_err(Into::into).boxed_unsync();
    let patience: Option<Duration> = options.and_then(|options| options.first_byte_timeout);
    let (method, headers) = (head.method, head.headers);
    let credentials = Ok(Vec::new());
    Ok(Call { to, method, headers, body, patience, credentials, parent: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_fields_than_any_map_has_room_for_are_refused() {
        let header = || HttpHeaderResult { name: "a".into(), value: "b".into() };
        for count in [MAX_FIELDS + 1, 30_000] {
            let request = HttpRequestResult {
                method: "GET".into(),
                url: "https://api.example.com/".into(),
                headers: std::iter::repeat_with(header).take(count).collect(),
                body: None,
            };

            assert!(matches!(read(request), Err(HttpError::Transport)), "{count}");
        }
    }
}
