//! What one publisher may send, and how often.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StoreConfig, problems::Findings};

/// `[uploads]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UploadsConfig {
    /// Uploads of one caller that are under way, however they are sent.
    pub max_unfinished: u32,
    /// Bytes of the uploads of one caller that are under way, together.
    pub max_unfinished_bytes: u64,
    /// Seconds after which an upload that was not published is removed.
    pub expire_after_s: u64,
    /// Milliseconds without a byte after which a part counts as broken off.
    pub part_idle_timeout_ms: u64,
    /// Requests of one caller in a minute that send, begin or publish bundles, or change one.
    pub publishes_per_minute: u32,
    /// The same of one address, an IPv6 /64 counted as one.
    pub publishes_per_minute_per_address: u32,
    /// Parts of uploads one caller may send in a minute.
    pub parts_per_minute: u32,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            max_unfinished: 16,
            max_unfinished_bytes: 1024 * 1024 * 1024,
            expire_after_s: 24 * 60 * 60,
            part_idle_timeout_ms: 20_000,
            publishes_per_minute: 300,
            publishes_per_minute_per_address: 1200,
            parts_per_minute: 6000,
        }
    }
}

impl UploadsConfig {
    pub(super) fn check(&self, store: &StoreConfig, findings: &mut Findings) {
        findings.expect(
            store.max_bundle_bytes <= self.max_unfinished_bytes,
            "uploads.max_unfinished_bytes",
            "must not be below store.max_bundle_bytes: no bundle of that size could be sent",
        );
    }
}
