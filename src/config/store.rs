//! The bundle store and what a bundle may be.

use serde::{Deserialize, Serialize};

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Uploads are refused when the disk has less free.
    pub min_free_bytes: u64,
    /// `[store.s3]`
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
            min_free_bytes: 1024 * 1024 * 1024,
            s3: S3Config::default(),
        }
    }
}

/// `[store.s3]`: read and checked; it takes effect with the S3 back end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    pub bucket: String,
    pub bundle_bucket: String,
    pub force_path_style: bool,
}
