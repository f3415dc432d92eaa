//! What a caller may send, and how much of it is used.

use super::App;
use super::uploads::{CONTENT_TYPES, UploadError};
use crate::model::Principal;

/// The limits on publishing, as one caller meets them.
#[derive(Debug, serde::Serialize)]
pub struct Limits {
    pub max_bundle_bytes: u64,
    pub max_unpacked_bytes: u64,
    pub max_entries: u64,
    pub max_file_bytes: u64,
    pub content_types: [&'static str; CONTENT_TYPES.len()],
    pub uploads: UploadLimits,
    pub staged: StagedLimits,
    pub rates: RateLimits,
}

/// The caller's uploads that are under way, in parts and in one request.
#[derive(Debug, serde::Serialize)]
pub struct UploadLimits {
    pub max_unfinished: u32,
    pub unfinished: u32,
    pub max_unfinished_bytes: u64,
    pub unfinished_bytes: u64,
    pub expire_after_s: u64,
}

/// Everybody's uploads and quarantined bundles.
#[derive(Debug, serde::Serialize)]
pub struct StagedLimits {
    pub max_bytes: u64,
    pub bytes: u64,
}

/// How often.
#[derive(Debug, serde::Serialize)]
pub struct RateLimits {
    pub publishes_per_minute: u32,
    pub publishes_per_minute_per_address: u32,
    pub parts_per_minute: u32,
}

impl App {
    /// The limits, and what the caller has used of them.
    pub async fn limits(&self, principal: &Principal) -> Result<Limits, UploadError> {
        let under_way = self.under_way(principal).await?;
        let (store, uploads) = (&self.config.store, &self.config.uploads);
        Ok(Limits {
            max_bundle_bytes: store.max_bundle_bytes,
            max_unpacked_bytes: store.max_unpacked_bytes,
            max_entries: store.max_entries,
            max_file_bytes: store.max_file_bytes,
            content_types: CONTENT_TYPES,
            uploads: UploadLimits {
                max_unfinished: uploads.max_unfinished,
                unfinished: under_way.uploads,
                max_unfinished_bytes: uploads.max_unfinished_bytes,
                unfinished_bytes: under_way.bytes,
                expire_after_s: uploads.expire_after_s,
            },
            staged: StagedLimits {
                max_bytes: store.max_staged_bytes,
                bytes: self.bundles.staged_bytes(),
            },
            rates: RateLimits {
                publishes_per_minute: uploads.publishes_per_minute,
                publishes_per_minute_per_address: uploads.publishes_per_minute_per_address,
                parts_per_minute: uploads.parts_per_minute,
            },
        })
    }
}
