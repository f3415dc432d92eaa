//! Bundles that wait for a person's decision.

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::{ContentHash, ExtensionName};

/// A well-formed bundle that nobody trusted vouches for: kept, never served, never run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub content_hash: ContentHash,
    pub name: ExtensionName,
    pub version: Version,
    /// Bytes of the compressed archive.
    pub size: u64,
    pub quarantined_at: Timestamp,
    pub expires_at: Timestamp,
    /// Who sent it, in words.
    pub published_by: String,
    /// The report of the last verification, as JSON.
    pub report: serde_json::Value,
}

/// An operator's named exception for exactly one content hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub content_hash: ContentHash,
    pub reason: String,
    pub approved_by: String,
    pub approved_at: Timestamp,
}
