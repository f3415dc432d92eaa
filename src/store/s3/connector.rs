//! Carries the requests that `object_store` makes to the server.
//!
//! HTTP/1.1 over kept connections. `object_store` decides about repeating by
//! the kind of error it gets from here; this file decides about the kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::IF_NONE_MATCH;
use http::{HeaderValue, Method, Request, request};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::Instant;

use super::super::StoreError;
use super::answers;
use super::bodies::{Patience, ReceivedBody, SentBody};
use super::breaker::Breaker;
use super::dial::Dial;
use crate::config::{S3Config, S3Location};

/// Connections kept for the next request, and for how long: less than servers do.
const KEPT_CONNECTIONS: usize = 32;
const KEPT_FOR: Duration = Duration::from_secs(15);

/// Hands the one client to whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Connector(HttpClient);

#[derive(Debug)]
struct Wire {
    client: Client<Dial, SentBody>,
    patience: Patience,
    breaker: Breaker,
    create_only_completion: Arc<AtomicBool>,
}

impl Connector {
    pub(super) fn new(
        config: &S3Config,
        location: &S3Location,
        create_only_completion: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let tls = location.endpoint.starts_with("https://");
        let connect = Duration::from_millis(config.connect_timeout_ms);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(KEPT_CONNECTIONS)
            .build(Dial::new(connect, tls, &config.ca_file)?);
        let patience = Patience {
            first_byte: Duration::from_millis(config.first_byte_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
        };
        let breaker = Breaker::new(Duration::from_millis(config.breaker_ms));
        Ok(Self(HttpClient::new(Wire { client, patience, breaker, create_only_completion })))
    }

    pub(super) fn client(&self) -> HttpClient {
        self.0.clone()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client())
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Of a kind that is not repeated: who asks is to learn it at once.
        let broken = |broken| HttpError::new(HttpErrorKind::Unknown, broken);
        self.breaker.check(Instant::now()).map_err(broken)?;
        let answer = self.exchange(request).await;
        match &answer {
            Ok(answer) if !answer.status().is_server_error() => self.breaker.note_answer(),
            _ => self.breaker.note_failure(Instant::now()),
        }
        answer
    }
}

impl Wire {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        if completes_upload(&parts) && self.create_only_completion.load(Ordering::Relaxed) {
            // Not part of the signature, and need not be: a server looks at it all the same.
            parts.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let method = parts.method.clone();
        let (body, progress) = SentBody::new(body);
        let answering = self.client.request(Request::from_parts(parts, body));
        let answer = match progress.head_in_time(answering, self.patience).await {
            Ok(answer) => answer.map_err(|error| failed(&method, error))?,
            Err(timed_out) => {
                return Err(HttpError::new(kind(&method, HttpErrorKind::Timeout), timed_out));
            }
        };
        let idle = self.patience.idle;
        let answer = answer.map(|body| HttpResponseBody::new(ReceivedBody::new(body, idle)));
        answers::unmask(&method, answer).await
    }
}

fn completes_upload(request: &request::Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    request.method == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId="))
}

fn failed(method: &Method, error: legacy::Error) -> HttpError {
    if error.is_connect() {
        return HttpError::new(HttpErrorKind::Connect, error);
    }
    HttpError::new(kind(method, HttpErrorKind::Interrupted), error)
}

/// What `object_store` is told about a request that may have been carried out.
///
/// Each PUT of ours brings the whole of a content that its key or its part has
/// for good, and each DELETE wants the same end: repeating them is safe, and
/// `object_store` repeats what it takes for not sent.
fn kind(method: &Method, kind: HttpErrorKind) -> HttpErrorKind {
    if matches!(*method, Method::PUT | Method::DELETE) { HttpErrorKind::Request } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_carried_out_is_repeated_where_that_is_safe() {
        for safe in [Method::PUT, Method::DELETE] {
            assert!(
                matches!(kind(&safe, HttpErrorKind::Timeout), HttpErrorKind::Request),
                "{safe}"
            );
        }
        // Of a completed upload a second completion knows nothing.
        let kind = kind(&Method::POST, HttpErrorKind::Interrupted);
        assert!(matches!(kind, HttpErrorKind::Interrupted));
    }
}
