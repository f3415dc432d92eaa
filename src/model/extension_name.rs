//! What an extension is called: also its id in every URL.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
const MAX_BYTES: usize = 128;

/// A path-safe extension name: `[a-z0-9]`, then `[a-z0-9._-]`, at most 128 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExtensionName(String);

/// The text is not an extension name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an extension name is 1 to 128 of `a-z`, `0-9`, `.`, `_` and `-`, begins with a letter or a \
     digit, and has no `..`"
)]
pub struct InvalidExtensionName;

impl ExtensionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExtensionName {
    type Err = InvalidExtensionName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        // `..` is legal in no path that a name becomes part of.
        let plain = text.bytes().all(inner) && !text.contains("..");
        if starts_well && plain && text.len() <= MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidExtensionName)
        }
    }
}

impl TryFrom<String> for ExtensionName {
    type Error = InvalidExtensionName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ExtensionName> for String {
    fn from(name: ExtensionName) -> Self {
        name.0
    }
}

impl fmt::Display for ExtensionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExtensionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_path_safe() {
        assert!("com.example.hello-2_x".parse::<ExtensionName>().is_ok());
        let long = "a".repeat(MAX_BYTES + 1);
        for text in ["", ".a", "-a", "A", "a/b", "a..b", "a b", "é", "a%2f", long.as_str()] {
            assert_eq!(text.parse::<ExtensionName>(), Err(InvalidExtensionName), "{text}");
        }
    }
}
