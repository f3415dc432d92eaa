//! A collector of traces that remembers what it was sent, read by OpenTelemetry's own library.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use plugboard::config::Config;
use prost::Message;

use super::internet::{Script, Server};
use super::test_app::TestApp;

pub(crate) struct Collector(pub(crate) Server);

/// A span as a person reads it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: none.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) nanoseconds: (u64, u64),
}

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::answering(200, &[]).await
    }

    /// One that says it did not take some spans.
    pub(crate) async fn rejecting(rejected_spans: i64) -> Self {
        let partial = ExportTracePartialSuccess { rejected_spans, error_message: String::new() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        Self::answering(200, &answer.encode_to_vec()).await
    }

    pub(crate) async fn answering(status: u16, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let script = Script::Say([head.as_bytes(), body].concat());
        Self(Server::start_at("127.0.0.1:0", script).await)
    }

    /// An appliance that sends to it.
    pub(crate) async fn app(&self, change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::start_with(|config| {
            config.telemetry.otlp.endpoint = format!("http://{}", self.0.address);
            change(config);
        })
        .await
    }

    /// Every request, as bytes.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.0.received()
    }

    /// What was sent, in the order in which it ended.
    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received();
        let decode = |request: &Vec<u8>| {
            let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            ExportTraceServiceRequest::decode(&request[end + 4..]).unwrap()
        };
        received.iter().map(decode).collect()
    }

    pub(crate) fn spans(&self) -> Vec<Seen> {
        let requests = self.requests().into_iter();
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(Seen::from).collect()
    }

    /// All spans, once there are as many: a stream's may end a little after it.
    pub(crate) async fn wait_for(&self, app: &TestApp, count: usize) -> Vec<Seen> {
        loop {
            app.app.traces.flush().await;
            let spans = self.spans();
            if spans.len() >= count {
                return spans;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl From<Span> for Seen {
    fn from(span: Span) -> Self {
        Self {
            trace: hex::encode(&span.trace_id),
            id: hex::encode(&span.span_id),
            parent: hex::encode(&span.parent_span_id),
            name: span.name,
            kind: span.kind,
            failed: span.status.is_some_and(|status| status.code == 2),
            attributes: attributes(&span.attributes),
            nanoseconds: (span.start_time_unix_nano, span.end_time_unix_nano),
        }
    }
}

impl Seen {
    /// The value of an attribute; empty: there is none.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

pub(crate) fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        let text = match value {
            Some(any_value::Value::StringValue(text)) => text.clone(),
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
            other => panic!("{}: {other:?}", pair.key),
        };
        (pair.key.clone(), text)
    };
    pairs.iter().map(text).collect()
}
