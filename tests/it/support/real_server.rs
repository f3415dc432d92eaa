//! An S3 server outside of this process, if the environment names one.
//!
//! `PLUGBOARD_TEST_S3_ENDPOINT`, `_REGION`, `_BUCKET`, `_ACCESS_KEY` and
//! `_SECRET_KEY` name it. Every test gets a key prefix of its own in the bucket,
//! and is noted in the file `PLUGBOARD_TEST_S3_LOG`, so that whoever started
//! the server can count what ran on it.

use std::fs::OpenOptions;
use std::io::Write;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use plugboard::config::{S3Config, StoreConfig};

/// Where a server is and how to get in.
#[derive(Clone, Debug)]
pub(crate) struct RealServer {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) bucket: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// One prefix of a bucket, and a client that goes past the appliance.
pub(crate) struct RealBucket {
    pub(crate) config: StoreConfig,
    objects: AmazonS3,
    prefix: String,
}

const VARIABLES: [&str; 5] = [
    "PLUGBOARD_TEST_S3_ENDPOINT",
    "PLUGBOARD_TEST_S3_REGION",
    "PLUGBOARD_TEST_S3_BUCKET",
    "PLUGBOARD_TEST_S3_ACCESS_KEY",
    "PLUGBOARD_TEST_S3_SECRET_KEY",
];
const LOG: &str = "PLUGBOARD_TEST_S3_LOG";

impl RealServer {
    /// The server that the environment names. All five variables, or none.
    pub(crate) fn from_environment() -> Option<Self> {
        let named = VARIABLES.map(variable);
        if named.iter().all(Option::is_none) {
            return None;
        }
        let [endpoint, region, bucket, access_key, secret_key] =
            named.map(|value| value.unwrap_or_else(|| panic!("all of {VARIABLES:?} are needed")));
        if let Some(log) = variable(LOG) {
            let mut log = OpenOptions::new().append(true).create(true).open(log).unwrap();
            writeln!(log, "{}", std::thread::current().name().unwrap_or("?")).unwrap();
        }
        Some(Self { endpoint, region, bucket, access_key, secret_key })
    }

    /// What a process has to be given to find the server; its tests are noted in `log`.
    pub(crate) fn variables(&self, log: &str) -> Vec<(&'static str, String)> {
        let Self { endpoint, region, bucket, access_key, secret_key } = self.clone();
        let values = [endpoint, region, bucket, access_key, secret_key, log.to_owned()];
        VARIABLES.into_iter().chain([LOG]).zip(values).collect()
    }

    /// A part of the bucket that nobody else uses.
    pub(crate) fn bucket(&self) -> RealBucket {
        let prefix = format!("{}/sha256", uuid::Uuid::new_v4());
        let config = StoreConfig {
            min_free_bytes: 0,
            base: format!("{prefix}/"),
            s3: S3Config {
                endpoint: self.endpoint.clone(),
                region: self.region.clone(),
                bucket: self.bucket.clone(),
                access_key: self.access_key.clone().into(),
                secret_key: self.secret_key.clone().into(),
                ..S3Config::default()
            },
            ..StoreConfig::default()
        };
        RealBucket { objects: client(&config.s3), config, prefix }
    }
}

impl RealBucket {
    fn key(&self, below: &str) -> Key {
        Key::parse(format!("{}/{below}", self.prefix)).unwrap()
    }

    pub(crate) async fn read(&self, below: &str) -> Vec<u8> {
        self.objects.get(&self.key(below)).await.unwrap().bytes().await.unwrap().to_vec()
    }

    pub(crate) async fn write(&self, below: &str, content: Vec<u8>) {
        self.objects.put(&self.key(below), content.into()).await.unwrap();
    }

    pub(crate) async fn remove(&self, below: &str) {
        self.objects.delete(&self.key(below)).await.unwrap();
    }

    /// All objects below the prefix, in the order of their keys.
    pub(crate) async fn list(&self) -> Vec<ObjectMeta> {
        let prefix = Key::parse(&self.prefix).unwrap();
        let mut all: Vec<_> = self.objects.list(Some(&prefix)).try_collect().await.unwrap();
        all.sort_by(|one, other| one.location.cmp(&other.location));
        all
    }

    /// A key without the prefix.
    pub(crate) fn below(&self, key: &Key) -> String {
        key.as_ref().strip_prefix(&self.prefix).unwrap().trim_start_matches('/').to_owned()
    }
}

/// A client of a server, past the appliance.
pub(crate) fn client(server: &S3Config) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(&server.endpoint)
        .with_region(&server.region)
        .with_bucket_name(&server.bucket)
        .with_access_key_id(server.access_key.expose())
        .with_secret_access_key(server.secret_key.expose())
        .with_allow_http(true)
        .with_http_connector(PlainClient::new())
        .build()
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no setting of ours"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Requests as they are: what is under test must not be what the test looks through.
#[derive(Clone, Debug)]
struct PlainClient(reqwest::Client);

impl PlainClient {
    fn new() -> Self {
        // Another test of this process may have been first.
        rustls::crypto::ring::default_provider().install_default().ok();
        Self(reqwest::Client::builder().no_proxy().build().unwrap())
    }
}

impl HttpConnector for PlainClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for PlainClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |error| HttpError::new(HttpErrorKind::Unknown, error);
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(parts, body);
        let answer = self.0.execute(request.try_into().map_err(failed)?).await.map_err(failed)?;
        let mut built = http::Response::builder().status(answer.status());
        *built.headers_mut().unwrap() = answer.headers().clone();
        let body = answer.bytes().await.map_err(failed)?;
        Ok(built.body(HttpResponseBody::from(body)).unwrap())
    }
}
