//! The bundle store and what a bundle may be.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Secret, problems::Findings, secret::read_secret_file};

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `BUNDLE_STORE_BASE`: the prefix of bundle keys; with a scheme it is endpoint, bucket and prefix.
    pub base: String,
    /// Bytes of one bundle.
    pub max_bundle_bytes: u64,
    /// Bytes of one bundle, unpacked.
    pub max_unpacked_bytes: u64,
    /// Files and folders in one bundle.
    pub max_entries: u64,
    /// Bytes of one file in a bundle.
    pub max_file_bytes: u64,
    /// Bytes of unpacked files kept on disk.
    pub cache_bytes: u64,
    /// Bytes of uploads and quarantined bundles together.
    pub max_staged_bytes: u64,
    /// Days a quarantined bundle is kept.
    pub quarantine_days: u32,
    /// Bytes of one attachment: an SBOM or a provenance beside a bundle.
    pub max_attachment_bytes: u64,
    /// Uploads are refused when the disk has fewer bytes free.
    pub min_free_bytes: u64,
    /// An S3 server that keeps the bundles; the data folder keeps uploads and unpacked files.
    pub s3: S3Config,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            base: "sha256/".to_owned(),
            max_bundle_bytes: 200 * 1024 * 1024,
            max_unpacked_bytes: 1024 * 1024 * 1024,
            max_entries: 20_000,
            max_file_bytes: 256 * 1024 * 1024,
            cache_bytes: 2 * 1024 * 1024 * 1024,
            max_staged_bytes: 5 * 1024 * 1024 * 1024,
            quarantine_days: 30,
            max_attachment_bytes: 1024 * 1024,
            min_free_bytes: 1024 * 1024 * 1024,
            s3: S3Config::default(),
        }
    }
}

/// `[store.s3]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// `STORAGE_S3_ENDPOINT`: the URL of the server; empty: bundles stay in the data folder.
    pub endpoint: String,
    /// The URL at which senders reach the server; empty: they send bundles to the appliance only.
    pub public_endpoint: String,
    /// Answer downloads of bundles with a short-lived address at `public_endpoint`.
    pub redirect_downloads: bool,
    /// `STORAGE_S3_ACCESS_KEY`, or the credential `store.s3.access_key`. Never shown.
    pub access_key: Secret,
    /// A file that holds the access key.
    pub access_key_file: PathBuf,
    /// `STORAGE_S3_SECRET_KEY`, or the credential `store.s3.secret_key`. Never shown.
    pub secret_key: Secret,
    /// A file that holds the secret key.
    pub secret_key_file: PathBuf,
    /// `STORAGE_S3_REGION`; where nothing sets it `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `STORAGE_S3_BUCKET`
    pub bucket: String,
    /// `STORAGE_S3_BUNDLE_BUCKET`: the bucket of bundles; empty: `bucket`.
    pub bundle_bucket: String,
    /// `STORAGE_S3_FORCE_PATH_STYLE`: the bucket in the path, not in the host.
    pub force_path_style: bool,
    /// A PEM file with the authority of the server's certificate, trusted beside those of the system.
    pub ca_file: PathBuf,
    /// Milliseconds in which a connection must be made.
    pub connect_timeout_ms: u64,
    /// Milliseconds in which an answer must begin, once the request is sent.
    pub first_byte_timeout_ms: u64,
    /// Milliseconds without a byte after which a transfer is given up.
    pub idle_timeout_ms: u64,
    /// Times that a request which can be repeated is tried.
    pub tries: u32,
    /// Milliseconds that requests fail at once after five that the server failed in a row.
    pub breaker_ms: u64,
}

/// Where the bundles are on an S3 server: what `store.base` and `store.s3` say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The server, with nothing after it.
    pub endpoint: String,
    pub bucket: String,
    /// The prefix of all keys, without slashes at its ends; can be empty.
    pub prefix: String,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            public_endpoint: String::new(),
            redirect_downloads: false,
            access_key: Secret::default(),
            access_key_file: PathBuf::new(),
            secret_key: Secret::default(),
            secret_key_file: PathBuf::new(),
            region: "us-east-1".to_owned(),
            bucket: String::new(),
            bundle_bucket: String::new(),
            force_path_style: true,
            ca_file: PathBuf::new(),
            connect_timeout_ms: 3000,
            first_byte_timeout_ms: 10_000,
            idle_timeout_ms: 15_000,
            tries: 3,
            breaker_ms: 5000,
        }
    }
}

impl StoreConfig {
    /// The S3 server that keeps the bundles; `None`: the data folder does.
    pub fn s3_location(&self) -> Option<S3Location> {
        let S3Config { endpoint, bucket, bundle_bucket, .. } = &self.s3;
        if let Some(base) = remote_base(&self.base) {
            return Some(base);
        }
        let endpoint = web_url(endpoint)?.origin().ascii_serialization();
        let bucket = if bundle_bucket.is_empty() { bucket } else { bundle_bucket };
        let prefix = self.base.trim_end_matches('/').to_owned();
        Some(S3Location { endpoint, bucket: bucket.clone(), prefix })
    }

    /// The same bucket as senders reach it; `None`: they do not.
    pub fn s3_public_location(&self) -> Option<S3Location> {
        let endpoint = web_url(&self.s3.public_endpoint)?.origin().ascii_serialization();
        Some(S3Location { endpoint, ..self.s3_location()? })
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        findings.expect(
            self.max_file_bytes <= self.max_unpacked_bytes,
            "store.max_file_bytes",
            "must not be above store.max_unpacked_bytes",
        );
        findings.expect(
            self.max_bundle_bytes <= self.max_staged_bytes,
            "store.max_staged_bytes",
            "must not be below store.max_bundle_bytes: no bundle of that size could be sent",
        );
        let remote = check_base(&self.base, findings);
        self.s3.check(remote.as_ref(), findings);
    }
}

/// The prefix that stands when `store.base` names a server and a bucket only.
const DEFAULT_PREFIX: &str = "sha256";

fn check_base(base: &str, findings: &mut Findings) -> Option<S3Location> {
    const KEY: &str = "store.base";
    if !base.contains("://") {
        findings.expect(
            is_prefix(base),
            KEY,
            "must be a prefix such as `sha256/`: names of letters, digits, `.`, `-` and `_`, each \
             followed by `/`",
        );
        return None;
    }
    let parsed = remote_base(base);
    if parsed.is_none() {
        findings.add(KEY, "must be `http(s)://server/bucket/` and perhaps a prefix after it");
    }
    parsed
}

/// Server, bucket and prefix of a `store.base` that has a scheme.
fn remote_base(base: &str) -> Option<S3Location> {
    let url = web_url(base)?;
    let path = url.path().trim_start_matches('/').to_owned();
    let (bucket, prefix) = path.split_once('/').unwrap_or((&path, ""));
    let prefix = if prefix.is_empty() { DEFAULT_PREFIX } else { prefix.trim_end_matches('/') };
    let good = !bucket.is_empty() && is_prefix(&with_slash(prefix));
    let endpoint = url.origin().ascii_serialization();
    good.then(|| S3Location { endpoint, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn with_slash(prefix: &str) -> String {
    format!("{}/", prefix.trim_end_matches('/'))
}

/// Object keys are made by putting names behind the prefix: it must not escape.
fn is_prefix(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good =
        |name: &str| !name.is_empty() && name.bytes().all(plain) && name.bytes().any(|b| b != b'.');
    text.strip_suffix('/').is_some_and(|names| names.split('/').all(good))
}

/// An `http` or `https` URL with no user, query or fragment.
pub(super) fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

impl S3Config {
    /// Reads the `…_file` keys into the keys they stand for.
    pub(super) fn read_secret_files(&mut self, findings: &mut Findings) {
        let S3Config { access_key, access_key_file, secret_key, secret_key_file, .. } = self;
        read_secret("store.s3.access_key_file", access_key, access_key_file, findings);
        read_secret("store.s3.secret_key_file", secret_key, secret_key_file, findings);
    }

    fn check(&self, base: Option<&S3Location>, findings: &mut Findings) {
        self.check_public(base, findings);
        let endpoint = web_url(&self.endpoint);
        if !self.endpoint.is_empty() && endpoint.is_none() {
            findings.add(
                "store.s3.endpoint",
                "must be a URL without user, query and fragment, as `https://s3.example.net`",
            );
        }
        // The bucket has its place behind the endpoint: a path would end up in front of it.
        findings.expect(
            endpoint.as_ref().is_none_or(|url| url.path() == "/"),
            "store.s3.endpoint",
            "must be the server alone: the bucket is store.s3.bucket, the prefix store.base",
        );
        if let (Some(base), Some(endpoint)) = (base, endpoint) {
            findings.expect(
                endpoint.origin().ascii_serialization() == base.endpoint,
                "store.s3.endpoint",
                "names another server than store.base: set one of them",
            );
        }
        if let Some(base) = base {
            let bucket = [&self.bundle_bucket, &self.bucket].into_iter().find(|b| !b.is_empty());
            findings.expect(
                bucket.is_none_or(|bucket| *bucket == base.bucket),
                "store.s3.bucket",
                "names another bucket than store.base: set one of them",
            );
        }
        if self.endpoint.is_empty() && base.is_none() {
            // Falling back to the disk without a word would look as if the bucket were used.
            let named = [&self.bucket, &self.bundle_bucket].into_iter().any(|b| !b.is_empty());
            findings.expect(
                !named,
                "store.s3.bucket",
                "needs store.s3.endpoint: for AWS `https://s3.REGION.amazonaws.com`",
            );
            return;
        }
        let needed = "must be set: the S3 store needs it";
        findings.expect(!self.access_key.is_empty(), "store.s3.access_key", needed);
        findings.expect(!self.secret_key.is_empty(), "store.s3.secret_key", needed);
        let has_bucket =
            base.is_some() || !self.bucket.is_empty() || !self.bundle_bucket.is_empty();
        findings.expect(has_bucket, "store.s3.bucket", needed);
    }

    fn check_public(&self, base: Option<&S3Location>, findings: &mut Findings) {
        const KEY: &str = "store.s3.public_endpoint";
        if self.public_endpoint.is_empty() {
            let needed = "needs store.s3.public_endpoint: an address there is what it answers with";
            findings.expect(!self.redirect_downloads, "store.s3.redirect_downloads", needed);
            return;
        }
        findings.expect(
            web_url(&self.public_endpoint).is_some_and(|url| url.path() == "/"),
            KEY,
            "must be the server alone, as `https://s3.example.net`",
        );
        findings.expect(
            base.is_some() || !self.endpoint.is_empty(),
            KEY,
            "needs store.s3.endpoint: there is no server that senders could reach",
        );
    }
}

fn read_secret(key: &'static str, secret: &mut Secret, file: &Path, findings: &mut Findings) {
    let beside = key.trim_end_matches("_file");
    if let Err(message) = read_secret_file(secret, file, beside) {
        findings.add(key, message);
    }
}
