//! Keys whose signatures count, and for which extension names.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ExtensionName;

/// `sha256:` and the hex SHA-256 of a key's SPKI DER form: always recomputed, never believed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// The text is not a key id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is `sha256:` followed by 64 lowercase hex digits")]
pub struct InvalidKeyId;

/// Which extension names something is for: `*`, an exact name, or `prefix.*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameGlob(String);

/// The text is neither `*`, nor a name, nor `prefix.*`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name pattern is `*`, an extension name, or a prefix of one followed by `.*`")]
pub struct InvalidNameGlob;

/// Whether a key's signatures count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// Signs new versions.
    #[default]
    Active,
    /// What it signed stays valid; new versions are refused.
    Retired,
    /// Nothing it signed counts.
    Revoked,
}

/// An Ed25519 public key that an operator or the trust bundle vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    pub id: KeyId,
    /// The raw 32 bytes, hex on the wire.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
    pub name: String,
    pub scopes: Vec<NameGlob>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    #[serde(default)]
    pub status: KeyStatus,
    pub added_at: Timestamp,
    /// Who added it, in words; `trust bundle` for keys of `SIGNING_TRUST_BUNDLE`.
    pub added_by: String,
}

impl KeyId {
    /// The id of the key with this SPKI DER form.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(der))))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hex digits: enough for a person to recognize.
    pub fn short(&self) -> &str {
        &self.0[7..15]
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidKeyId)?;
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digits.len() == 64 && digits.bytes().all(lower_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NameGlob {
    /// The glob for every name.
    pub fn everything() -> Self {
        Self("*".to_owned())
    }

    /// Whether `name` is one of the names meant.
    pub fn matches(&self, name: &ExtensionName) -> bool {
        match self.0.strip_suffix('*') {
            None => self.0 == name.as_str(),
            Some(prefix) => name.as_str().starts_with(prefix),
        }
    }
}

impl FromStr for NameGlob {
    type Err = InvalidNameGlob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = match text.strip_suffix(".*") {
            Some(prefix) => prefix,
            None if text == "*" => "a",
            None => text,
        };
        name.parse::<ExtensionName>().map_err(|_| InvalidNameGlob)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for NameGlob {
    type Error = InvalidNameGlob;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NameGlob> for String {
    fn from(glob: NameGlob) -> Self {
        glob.0
    }
}

impl fmt::Display for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TrustedKey {
    /// Whether the key may sign for `name`.
    pub fn covers(&self, name: &ExtensionName) -> bool {
        self.scopes.iter().any(|glob| glob.matches(name))
    }
}
