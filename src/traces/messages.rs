//! What a collector is sent: the messages of OTLP 1 for traces, as far as they are filled.
//!
//! Numbers and kinds of fields are those of opentelemetry/proto, which only ever adds to
//! them; the tests read what is written here with its own library.

use prost::{Enumeration, Message, Oneof};

use super::span::{Ended, Kind, Value};

/// The request of an export.
#[derive(Message)]
pub(super) struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Attribute>,
}

#[derive(Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WrittenSpan>,
}

#[derive(Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Message)]
struct WrittenSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(enumeration = "WrittenKind", tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
enum WrittenKind {
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
}

#[derive(Message)]
struct Status {
    #[prost(enumeration = "StatusCode", tag = "3")]
    code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
enum StatusCode {
    Unset = 0,
    Ok = 1,
    Error = 2,
}

#[derive(Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Message)]
struct AnyValue {
    #[prost(oneof = "Written", tags = "1, 2, 3")]
    value: Option<Written>,
}

#[derive(Oneof)]
enum Written {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Truth(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// The answer to an export.
#[derive(Message)]
pub(super) struct Exported {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
}

/// Some spans, as a request has them.
pub(super) fn encode(service_name: &str, spans: Vec<Ended>) -> Vec<u8> {
    if spans.is_empty() {
        return Export { resource_spans: Vec::new() }.encode_to_vec();
    }
    let (name, version) = ("plugboard".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let resource = Resource {
        attributes: vec![
            Attribute::new("service.name", Value::Text(service_name.to_owned().into())),
            Attribute::new("service.version", Value::Text(version.clone().into())),
        ],
    };
    let spans = spans.into_iter().map(WrittenSpan::from).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(Scope { name, version }), spans }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans }];
    Export { resource_spans }.encode_to_vec()
}

impl From<Ended> for WrittenSpan {
    fn from(ended: Ended) -> Self {
        let Ended { context, parent, span, began, took } = ended;
        // Before 1970 there were none.
        let start = u64::try_from(began.as_nanosecond()).unwrap_or_default();
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let kind = match span.kind {
            Kind::Internal => WrittenKind::Internal,
            Kind::Server => WrittenKind::Server,
            Kind::Client => WrittenKind::Client,
        };
        let attributes = span.attributes.into_iter();
        Self {
            trace_id: context.trace.as_bytes().to_vec(),
            span_id: context.span.as_bytes().to_vec(),
            parent_span_id: parent.map(|parent| parent.as_bytes().to_vec()).unwrap_or_default(),
            name: span.name.into_owned(),
            kind: kind.into(),
            start_time_unix_nano: start,
            end_time_unix_nano: start.saturating_add(took),
            attributes: attributes.map(|(key, value)| Attribute::new(key, value)).collect(),
            status: span.failed.then(|| Status { code: StatusCode::Error.into() }),
            flags: u32::from(context.is_sampled),
        }
    }
}

impl Attribute {
    fn new(key: &str, value: Value) -> Self {
        let value = match value {
            Value::Text(text) => Written::Text(text.into_owned()),
            Value::Number(number) => Written::Number(number),
            Value::Truth(truth) => Written::Truth(truth),
        };
        Self { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
    }
}
