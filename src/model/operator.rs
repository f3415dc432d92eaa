//! Who administers the appliance, and their signed-in browsers.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A sign-in name: 1 to 64 of `a-z`, `0-9`, `.`, `_`, `@`, `+` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperatorName(String);

/// An operator row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub name: OperatorName,
    /// Argon2id, in PHC string form.
    pub password_hash: String,
    pub created_at: Timestamp,
    pub password_changed_at: Timestamp,
}

/// A signed-in browser. The registry knows it by the SHA-256 of its cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub operator: OperatorName,
    /// SHA-256 of the cookie's 32 bytes.
    #[serde(with = "hex::serde")]
    pub id_sha256: [u8; 32],
    pub created_at: Timestamp,
    /// Kept in memory, written at most once a minute.
    pub last_seen_at: Timestamp,
    /// When the password was last asked for; dangerous actions want it recent.
    pub authenticated_at: Timestamp,
}

impl OperatorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@+-".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an operator name is 1 to 64 of `a-z`, `0-9`, `.`, `_`, `@`, `+` and `-`")
        }
    }
}

impl TryFrom<String> for OperatorName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OperatorName> for String {
    fn from(name: OperatorName) -> Self {
        name.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
