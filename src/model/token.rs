//! API tokens as the registry keeps them: never the secret, only its hash.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ExtensionName, Scope, ScopeKind, TenantId, UserClaims};

/// The public part of a token: 8 characters of `a-z0-9`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// A token row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// The only tenant it acts in.
    pub tenant: TenantId,
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret.
    #[serde(with = "hex::serde")]
    pub secret_sha256: [u8; 32],
    pub created_at: Timestamp,
    /// Who made it, in words.
    pub created_by: String,
    pub expires_at: Timestamp,
    /// Whom guests are told that it stands for; `None`: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserClaims>,
    /// Written at most once a minute.
    pub last_used_at: Option<Timestamp>,
}

impl TokenId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.len() == 8 && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a token id is 8 of `a-z` and `0-9`")
        }
    }
}

impl TryFrom<String> for TokenId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Token {
    /// Whether the token allows `kind` for `name` (`None`: for every name).
    pub fn allows(&self, kind: ScopeKind, name: Option<&ExtensionName>) -> bool {
        self.scopes.iter().any(|scope| scope.allows(kind, name))
    }
}
