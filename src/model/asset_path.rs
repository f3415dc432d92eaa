//! A path inside a bundle that is safe on every file system and in every URL.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest path, in bytes.
const MAX_BYTES: usize = 240;
/// The deepest path, in segments.
const MAX_SEGMENTS: usize = 16;

/// A relative path of a file in a bundle, `/` between segments.
///
/// Every segment is ASCII letters, digits and `_@+.- ()[]`, does not begin with
/// a dot (but `.well-known` may), does not end in a dot or a space, and is no
/// Windows device name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetPath(String);

/// Why a text is not an asset path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssetPath {
    #[error("the path is empty or has an empty segment")]
    Empty,
    #[error("the path is {0} bytes long; 240 are allowed")]
    TooLong(usize),
    #[error("the path is {0} folders deep; 16 are allowed")]
    TooDeep(usize),
    #[error("the segment `{0}` has a character that is not allowed in a bundle")]
    Character(String),
    #[error("the segment `{0}` begins with a dot, or ends with a dot or a space")]
    Dot(String),
    #[error("the segment `{0}` is a device name on Windows")]
    Device(String),
}

impl AssetPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `folder/`, if it is there.
    pub fn strip_folder(&self, folder: &str) -> Option<&str> {
        self.0.strip_prefix(folder)?.strip_prefix('/')
    }

    /// The part after the last dot of the last segment, in lower case.
    pub fn extension(&self) -> Option<String> {
        let name = self.0.rsplit('/').next()?;
        Some(name.rsplit_once('.')?.1.to_ascii_lowercase())
    }
}

impl FromStr for AssetPath {
    type Err = InvalidAssetPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BYTES {
            return Err(InvalidAssetPath::TooLong(text.len()));
        }
        let depth = text.split('/').count();
        if depth > MAX_SEGMENTS {
            return Err(InvalidAssetPath::TooDeep(depth));
        }
        text.split('/').try_for_each(check_segment)?;
        Ok(Self(text.to_owned()))
    }
}

fn check_segment(segment: &str) -> Result<(), InvalidAssetPath> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_@+.- ()[]".contains(&b);
    let shown = || segment.escape_debug().to_string();
    let Some(first) = segment.bytes().next() else { return Err(InvalidAssetPath::Empty) };
    if !segment.bytes().all(allowed) || b" ()[]".contains(&first) {
        return Err(InvalidAssetPath::Character(shown()));
    }
    // `.`, `..` and hidden files; Windows drops trailing dots and spaces, so
    // two names would become one.
    if (first == b'.' && segment != ".well-known") || segment.ends_with(['.', ' ']) {
        return Err(InvalidAssetPath::Dot(shown()));
    }
    if is_windows_device(segment) {
        return Err(InvalidAssetPath::Device(shown()));
    }
    Ok(())
}

/// `CON`, `nul.txt`, `COM1.tar.gz`: the part before the first dot decides.
fn is_windows_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or(segment).trim_end().to_ascii_lowercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

impl TryFrom<String> for AssetPath {
    type Error = InvalidAssetPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AssetPath> for String {
    fn from(path: AssetPath) -> Self {
        path.0
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_accepted() {
        for text in ["manifest.json", "ui/index.html", "ui/.well-known/x", "ui/a (1) [b]+@_.js"] {
            assert_eq!(text.parse::<AssetPath>().map(String::from), Ok(text.to_owned()));
        }
    }

    #[test]
    fn paths_that_could_escape_or_collide_are_refused() {
        let long = "a/".repeat(8) + &"b".repeat(MAX_BYTES);
        let deep = "a/".repeat(16) + "b";
        for text in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            ".git",
            "a\\b",
            "C:a",
            "a\0b",
            "a%2fb",
            "é",
            "a.",
            "a ",
            " a",
            "con",
            "NUL.txt",
            "com1.x.y",
            "lpt9",
            "a\u{202e}b",
            &long,
            &deep,
        ] {
            assert!(text.parse::<AssetPath>().is_err(), "{text:?}");
        }
    }
}
