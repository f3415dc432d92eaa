//! What is kept beside a published bundle without changing its content hash.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ContentHash, FileDigest};

/// What an attachment says about a bundle. A version has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// What it is made of: `CycloneDX` or SPDX, as JSON.
    Sbom,
    /// How it was built: an in-toto statement.
    Provenance,
    /// The bundle's own `README`.
    Readme,
    /// The bundle's own `CHANGELOG`.
    Changelog,
}

/// The text is not the name of a kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an attachment is `sbom`, `provenance`, `readme` or `changelog`")]
pub struct UnknownAttachmentKind;

/// A file that somebody attached to a published bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Of the bundle.
    pub content_hash: ContentHash,
    pub kind: AttachmentKind,
    /// What it turned out to be: `CycloneDX 1.6`.
    pub format: String,
    pub media_type: String,
    pub size: u64,
    pub sha256: FileDigest,
    pub attached_at: Timestamp,
    /// Who attached it, in words.
    pub attached_by: String,
}

impl AttachmentKind {
    /// Every kind, in the order of lists.
    pub const ALL: [Self; 4] = [Self::Readme, Self::Changelog, Self::Sbom, Self::Provenance];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
            Self::Readme => "readme",
            Self::Changelog => "changelog",
        }
    }

    /// Whether it is a file of the bundle, which nobody can attach or take away.
    pub const fn is_of_the_bundle(self) -> bool {
        matches!(self, Self::Readme | Self::Changelog)
    }
}

impl FromStr for AttachmentKind {
    type Err = UnknownAttachmentKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownAttachmentKind)
    }
}

impl fmt::Display for AttachmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
