//! Versions on their way out: yanked, or removed for good.

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::{ContentHash, ExtensionName};

/// A version that nobody new may install. Where it is installed it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yank {
    pub name: ExtensionName,
    pub version: Version,
    pub yanked_at: Timestamp,
    /// Who yanked it, in words.
    pub yanked_by: String,
    pub reason: Option<String>,
}

/// What stays of a removed version: its number is never used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub name: ExtensionName,
    pub version: Version,
    /// Of the bundle that is gone.
    pub content_hash: ContentHash,
    pub removed_at: Timestamp,
    /// Who removed it, in words.
    pub removed_by: String,
    /// Whether its objects are gone, too: a day later, when they could be deleted.
    #[serde(default)]
    pub objects_removed: bool,
}
