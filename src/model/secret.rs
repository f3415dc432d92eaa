//! What an operator gives an extension in confidence: its name, and what may be said of it.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::SecretBinding;

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What a secret is called: `[A-Za-z0-9_]`, then `[A-Za-z0-9._-]`, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// The text is no name of a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a secret is 1 to 128 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, and begins with a \
     letter, a digit or `_`"
)]
pub struct InvalidSecretName;

/// All that is shown of a secret. Its value is in no type that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFacts {
    pub name: SecretName,
    /// How many values the secret has had since it was last removed.
    pub version: u64,
    /// Which of all values that the install was given this one is: no two have the same.
    /// It is for the seal and shown to nobody.
    #[serde(skip)]
    pub sequence: u64,
    pub set_at: Timestamp,
    /// Who gave the value, in words.
    pub set_by: String,
    /// From then on the extension is told that it is expired.
    pub expires_at: Option<Timestamp>,
    /// Where it goes without the extension reading it; `None`: the extension reads it.
    #[serde(flatten)]
    pub binding: Option<SecretBinding>,
}

/// The text is neither a date nor a time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no date, as 2027-01-31, and no time, as 2027-01-31T12:00:00Z")]
pub struct InvalidExpiry(pub String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretFacts {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Reads when a secret expires: a time, or a date for the first moment of that day in UTC.
    pub fn read_expiry(text: &str) -> Result<Timestamp, InvalidExpiry> {
        let text = text.trim();
        let invalid = || InvalidExpiry(text.to_owned());
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time);
        }
        // Also a time without its zone is read as a date, and then would be another time.
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        let date = date.ok_or_else(invalid)?;
        date.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|_| invalid())
    }
}

impl FromStr for SecretName {
    type Err = InvalidSecretName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts_well = text.bytes().next().is_some_and(word);
        let plain = text.bytes().all(|b| word(b) || b"._-".contains(&b));
        if starts_well && plain && text.len() <= MAX_NAME_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSecretName)
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_path_and_a_variable_can_be() {
        for text in ["api_key", "API_KEY", "_x", "9", "com.example-1", &"a".repeat(128)] {
            assert!(text.parse::<SecretName>().is_ok(), "{text}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for text in ["", ".", "..", "-a", "a/b", "a b", "a\0", "é", "a%2f", "a=b", long.as_str()] {
            assert_eq!(text.parse::<SecretName>(), Err(InvalidSecretName), "{text}");
        }
    }

    #[test]
    fn a_secret_expires_at_a_time_or_with_the_begin_of_a_day() {
        let at = |text: &str| SecretFacts::read_expiry(text).map(Timestamp::as_second);

        assert_eq!(at("2027-01-31"), at("2027-01-31T00:00:00Z"));
        assert_eq!(at(" 2027-01-31T12:00:00+02:00"), at("2027-01-31T10:00:00Z"));
        assert_ne!(at("2027-01-31"), at("2027-02-01"));
        for text in ["", "tomorrow", "2027-02-30", "31.01.2027", "2027-01-31T12:00:00"] {
            assert_eq!(at(text), Err(InvalidExpiry(text.to_owned())), "{text}");
        }
    }
}
