//! One request to the collector: OTLP over HTTP, in the binary form.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tokio::time::timeout;

use super::messages::{self, Exported};
use super::span::Ended;
use crate::config::OtlpConfig;
use crate::tls_client::{self, CaFileError};

/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const BINARY: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The collector cannot be reached as it is set.
#[derive(Debug, thiserror::Error)]
pub enum TracesUnusable {
    #[error("telemetry.otlp.endpoint: it is no URL of a server")]
    Endpoint,
    #[error("telemetry.otlp.headers: they cannot be headers")]
    Headers,
    #[error("telemetry.otlp.ca_file: {0}")]
    CaFile(CaFileError),
}

/// Spans were not taken.
#[derive(Debug, thiserror::Error)]
pub enum CollectorFault {
    #[error(transparent)]
    Unusable(TracesUnusable),
    #[error("no connection: {}", chain(.0))]
    Connect(hyper_util::client::legacy::Error),
    #[error("the connection broke: {}", chain(.0))]
    Broken(hyper_util::client::legacy::Error),
    #[error("no answer in {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("it answered {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
}

/// An error with those behind it: what is at the bottom says most.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What the collector did with the spans it answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) rejected: u64,
}

pub(super) struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    service_name: String,
    timeout: Duration,
}

impl Sender {
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, TracesUnusable> {
        let base = config.endpoint.trim_end_matches('/');
        let uri: Uri = format!("{base}/v1/traces").parse().map_err(|_| TracesUnusable::Endpoint)?;
        let pairs = config.header_pairs().ok_or(TracesUnusable::Headers)?;
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, BINARY),
            (
                USER_AGENT,
                HeaderValue::from_static(concat!("plugboard/", env!("CARGO_PKG_VERSION"))),
            ),
        ]);
        headers.extend(pairs);
        let is_encrypted = uri.scheme_str() == Some("https");
        Ok(Self {
            client: client(config, is_encrypted)?,
            uri,
            headers,
            service_name: config.service_name.clone(),
            timeout: Duration::from_millis(config.timeout_ms),
        })
    }

    pub(super) fn encode(&self, spans: Vec<Ended>) -> Bytes {
        messages::encode(&self.service_name, spans).into()
    }

    /// Sends some spans, once.
    pub(super) async fn send(&self, body: impl Into<Bytes>) -> Result<Taken, CollectorFault> {
        let exchange = timeout(self.timeout, self.exchange(body.into())).await;
        exchange.unwrap_or(Err(CollectorFault::Timeout(self.timeout)))
    }

    async fn exchange(&self, body: Bytes) -> Result<Taken, CollectorFault> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                CollectorFault::Connect(error)
            } else {
                CollectorFault::Broken(error)
            }
        })?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            let retry_after = retry_after(&head.headers);
            return Err(CollectorFault::Status { status: head.status, retry_after });
        }
        // An answer that cannot be read is one all the same: they were taken.
        let answer = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let answer = answer.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let rejected = Exported::decode(answer).ok().and_then(|answer| answer.partial_success);
        let rejected = rejected.map(|rejected| rejected.rejected_spans).unwrap_or_default();
        Ok(Taken { rejected: u64::try_from(rejected).unwrap_or_default() })
    }
}

impl CollectorFault {
    /// Whether the same spans may be sent again, as the protocol has it, and not before when.
    pub(super) fn retry(&self) -> Option<Duration> {
        match self {
            Self::Unusable(_) => None,
            Self::Connect(_) | Self::Broken(_) | Self::Timeout(_) => Some(Duration::ZERO),
            Self::Status { status, retry_after } => {
                let may = matches!(status.as_u16(), 429 | 502 | 503 | 504);
                may.then(|| retry_after.unwrap_or_default())
            }
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn client(
    config: &OtlpConfig,
    is_encrypted: bool,
) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, TracesUnusable> {
    let roots = tls_client::roots_if(is_encrypted, &config.ca_file);
    let roots = roots.map_err(TracesUnusable::CaFile)?;
    let connector = tls_client::connector(HttpConnector::new(), roots);
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(1)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .build(connector))
}
