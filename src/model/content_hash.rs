//! The address of a bundle: the SHA-256 of its archive.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

const PREFIX: &str = "sha256:";

/// The SHA-256 of a bundle archive, written `sha256:` and 64 lowercase hex digits.
///
/// Being well-formed says nothing about existence: ask the registry whether a
/// bundle with this hash is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

/// The text is not `sha256:` followed by 64 lowercase hex digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content hash is `sha256:` followed by 64 lowercase hex digits")]
pub struct InvalidContentHash;

impl ContentHash {
    /// Hashes a bundle archive.
    pub fn of(archive: &[u8]) -> Self {
        Self(Sha256::digest(archive).into())
    }

    /// The raw digest: the registry key and what a statement's subject names.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the prefix, as object keys and statements have them.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl FromStr for ContentHash {
    type Err = InvalidContentHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidContentHash)?;
        // One spelling per hash, so that URLs and object keys cannot alias.
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidContentHash);
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| InvalidContentHash)?;
        Ok(Self(digest))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_hash_are_inverse() {
        let hash = ContentHash::of(b"abc");

        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    #[test]
    fn only_one_spelling_is_accepted() {
        let hex = ContentHash::of(b"abc").hex();

        for text in [hex.clone(), format!("SHA256:{hex}"), format!("sha256:{}", hex.to_uppercase())]
        {
            assert_eq!(text.parse::<ContentHash>(), Err(InvalidContentHash));
        }
    }
}
