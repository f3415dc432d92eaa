//! Uploads that arrive in parts.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ContentHash, TenantId};

/// The id of an upload: a random UUID, in text with hyphens and in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(Uuid);

/// The text is not the id of an upload.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is a UUID with hyphens, in lower case")]
pub struct InvalidUploadId;

/// A bundle on its way here: what was said about it, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub id: UploadId,
    /// The only tenant that sees it.
    pub tenant: TenantId,
    /// Who began it, in words, as [`super::Actor`] writes them; nobody else sees it.
    pub owner: String,
    /// Bytes of the whole bundle.
    pub length: u64,
    /// Bytes that have arrived and survive a power cut.
    pub offset: u64,
    /// What its sender says the bundle is; held against what arrives.
    pub declared_hash: Option<ContentHash>,
    /// The name of the sender's file, for people.
    pub filename: String,
    pub created_at: Timestamp,
    /// After this the upload is removed.
    pub expires_at: Timestamp,
    /// Set while its bytes go to the store and are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presigned: Option<Presigned>,
    /// Whether the bundle is published or quarantined: its bytes are no longer here.
    pub finished: bool,
    /// What the verification of a finished upload found, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
}

/// How the bytes of an upload get to the store, by addresses that are signed for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presigned {
    /// In one request.
    Whole,
    Parts(PresignedParts),
}

/// An upload in parts at the store. All parts but the last have the same size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresignedParts {
    /// What the store knows it by; no sender chooses it.
    pub upload_id: String,
    pub part_bytes: u64,
}

impl PresignedParts {
    /// How many parts a bundle of `length` bytes has.
    pub fn count(&self, length: u64) -> u32 {
        u32::try_from(length.div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }

    /// The bytes of part `number`, counted from 1; `None` when there is no such part.
    pub fn part_length(&self, number: u32, length: u64) -> Option<u64> {
        let before = u64::from(number.checked_sub(1)?).checked_mul(self.part_bytes)?;
        length.checked_sub(before).filter(|rest| *rest > 0).map(|rest| rest.min(self.part_bytes))
    }
}

impl Upload {
    /// Whether every byte has arrived.
    pub fn is_complete(&self) -> bool {
        self.offset == self.length
    }

    /// Whether the upload is there no longer, although its row may be.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

impl UploadId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::parse_str(text).map(Self).map_err(|_| InvalidUploadId)?;
        // One spelling for each id: the parser takes several.
        if id.to_string() == text { Ok(id) } else { Err(InvalidUploadId) }
    }
}

impl TryFrom<String> for UploadId {
    type Error = InvalidUploadId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_from_one_and_together_as_long_as_the_bundle() {
        let parts = PresignedParts { upload_id: "x".to_owned(), part_bytes: 10 };

        for length in [1, 9, 10, 11, 20, 25] {
            let lengths: Vec<_> =
                (1..=parts.count(length)).map(|n| parts.part_length(n, length).unwrap()).collect();
            assert_eq!(lengths.iter().sum::<u64>(), length);
            assert_eq!(parts.part_length(0, length), None);
            assert_eq!(parts.part_length(parts.count(length) + 1, length), None);
        }
        assert_eq!(parts.part_length(u32::MAX, 25), None);
    }

    #[test]
    fn an_upload_id_has_one_spelling() {
        let id = UploadId::random();
        let text = id.to_string();

        assert_eq!(text.parse(), Ok(id));
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}")] {
            assert_eq!(other.parse::<UploadId>(), Err(InvalidUploadId), "{other}");
        }
    }
}
