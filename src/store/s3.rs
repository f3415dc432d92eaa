//! An S3 server as the object store: how it is reached, and what its answers are worth.
//!
//! `connector` carries the requests, with `dial` for connections, `bodies` for
//! time-outs that follow the bytes, `breaker` for a server that is down and
//! `answers` for failures that come with status 200. `unfinished` finds
//! multipart uploads that nobody ends, `parts` are those that others send, by
//! addresses that `public` makes and `signature` signs.

mod answers;
mod bodies;
mod breaker;
mod connector;
mod dial;
mod parts;
mod public;
mod signature;
mod unfinished;

pub use parts::SentPart;
pub(super) use public::Public;
pub use public::SignedRequest;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, Checksum};
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
};
use object_store::{BackoffConfig, RetryConfig};
use tokio::time::{Instant, sleep};

use self::connector::Connector;
use super::StoreError;
use crate::config::{S3Config, S3Location};

/// No request is begun again after this: the one who waits has a limit, too.
const RETRY_FOR: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bucket on an S3 server.
#[derive(Debug)]
pub(super) struct S3 {
    objects: AmazonS3,
    /// The same without checksums: an upload in parts that is begun with them
    /// wants one of each part, and its sender may have none.
    plain: AmazonS3,
    /// The bucket as senders reach it.
    public: Option<Public>,
    client: HttpClient,
    /// The address of the bucket, with nothing after it.
    bucket_url: String,
    region: String,
    /// How often a request is sent that fails, all in all.
    tries: u32,
    create_only_completion: Arc<AtomicBool>,
}

impl S3 {
    /// Gets ready to use the bucket. Nothing is sent.
    pub(super) fn open(
        config: &S3Config,
        location: &S3Location,
        public: Option<&S3Location>,
    ) -> Result<Self, StoreError> {
        let create_only_completion = Arc::new(AtomicBool::new(false));
        let connector = Connector::new(config, location, Arc::clone(&create_only_completion))?;
        let client = connector.client();
        let unusable = |error| StoreError::object("use its settings", error);
        let builder = builder(config, location, connector);
        let plain = builder.clone().build().map_err(unusable)?;
        let objects =
            builder.with_checksum_algorithm(Checksum::SHA256).build().map_err(unusable)?;
        Ok(Self {
            objects,
            plain,
            public: public.map(|location| Public::open(config, location)).transpose()?,
            client,
            bucket_url: bucket_url(location, config.force_path_style),
            region: config.region.clone(),
            tries: config.tries,
            create_only_completion,
        })
    }

    pub(super) fn objects(&self) -> AmazonS3 {
        self.objects.clone()
    }

    /// The bucket as senders reach it, if they do.
    pub(super) fn public(&self) -> Option<&Public> {
        self.public.as_ref()
    }

    /// Asks for what `object_store` has no call for: the path below the bucket, with its
    /// slash, and the query. Gives the status and the body. Repeats as `object_store` does.
    async fn ask(
        &self,
        doing: &'static str,
        target: &str,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        for _ in 1..self.tries {
            let answer = self.ask_once(doing, target).await;
            if began.elapsed() >= RETRY_FOR || !is_worth_repeating(&answer) {
                return answer;
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        self.ask_once(doing, target).await
    }

    /// Signs anew each time: a signature names its minute, and is good for some of them.
    async fn ask_once(
        &self,
        doing: &'static str,
        target: &str,
    ) -> Result<(StatusCode, Bytes), StoreError> {
        let failed = |error| StoreError::object(doing, error);
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{target}", self.bucket_url))
            .body(HttpRequestBody::empty())
            .map_err(|error| StoreError::unavailable(doing, error))?;
        let credential = self.objects.credentials().get_credential().await.map_err(failed)?;
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
        authorizer.try_authorize(&mut request, None).map_err(failed)?;
        let answer = self.execute(request).await?;
        let status = answer.status();
        let body = answer.into_body().bytes().await;
        Ok((status, body.map_err(|error| StoreError::unavailable(doing, error))?))
    }

    /// Sends a request that was signed before, once.
    pub(super) async fn execute(&self, request: HttpRequest) -> Result<HttpResponse, StoreError> {
        let sent = self.client.execute(request).await;
        sent.map_err(|error| StoreError::unavailable("reach its server", error))
    }

    /// Whether multipart uploads ask not to replace an object when they are completed.
    pub(super) fn ask_create_only_completion(&self, ask: bool) {
        self.create_only_completion.store(ask, Ordering::Relaxed);
    }
}

/// Whether the server, or the way to it, failed. A request that the breaker did not send is
/// not: who asks is to learn it at once.
fn is_worth_repeating(answer: &Result<(StatusCode, Bytes), StoreError>) -> bool {
    match answer {
        Ok((status, _)) => status.is_server_error(),
        Err(StoreError::Unavailable { source, .. }) => {
            source.downcast_ref::<HttpError>().is_some_and(|error| {
                !matches!(error.kind(), HttpErrorKind::Unknown | HttpErrorKind::Decode)
            })
        }
        Err(_) => false,
    }
}

/// What every way to the bucket has in common.
fn builder(config: &S3Config, location: &S3Location, connector: Connector) -> AmazonS3Builder {
    let endpoint = if config.force_path_style {
        location.endpoint.clone()
    } else {
        bucket_url(location, false)
    };
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_virtual_hosted_style_request(!config.force_path_style)
        .with_bucket_name(&location.bucket)
        .with_region(&config.region)
        .with_access_key_id(config.access_key.expose())
        .with_secret_access_key(config.secret_key.expose())
        .with_allow_http(true)
        .with_disable_tagging(true)
        // `POST ?delete` is what S3-compatible servers most often lack.
        .with_disable_bulk_delete(true)
        .with_retry(retries(config))
        .with_http_connector(connector)
}

/// `https://server/bucket`, or `https://bucket.server`.
fn bucket_url(location: &S3Location, path_style: bool) -> String {
    let S3Location { endpoint, bucket, .. } = location;
    match endpoint.split_once("://") {
        Some((scheme, server)) if !path_style => format!("{scheme}://{bucket}.{server}"),
        _ => format!("{endpoint}/{bucket}"),
    }
}

fn retries(config: &S3Config) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
        max_retries: config.tries.saturating_sub(1) as usize,
        retry_timeout: RETRY_FOR,
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path as Key;
    use object_store::signer::Signer;

    use super::*;

    async fn address(path_style: bool) -> String {
        let location = S3Location {
            endpoint: "http://s3.example.net:9000".to_owned(),
            bucket: "bundles".to_owned(),
            prefix: "sha256".to_owned(),
        };
        let config = S3Config {
            access_key: "key".to_owned().into(),
            secret_key: "secret".to_owned().into(),
            force_path_style: path_style,
            ..S3Config::default()
        };
        let s3 = S3::open(&config, &location, None).unwrap();
        let key = Key::from("sha256/x");
        let signed = s3.objects().signed_url(Method::GET, &key, Duration::from_mins(1)).await;
        let signed = signed.unwrap();
        assert!(signed.as_str().starts_with(&s3.bucket_url), "{signed}");
        format!("{}{}", signed.authority(), signed.path())
    }

    #[tokio::test]
    async fn the_bucket_is_in_the_path_or_in_the_host() {
        assert_eq!(address(true).await, "s3.example.net:9000/bundles/sha256/x");
        assert_eq!(address(false).await, "bundles.s3.example.net:9000/sha256/x");
    }
}
