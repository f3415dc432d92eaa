//! A version that stands for the next patch of its line: `1.2.*`.

use std::{fmt, str::FromStr};

use semver::Version;
use serde::{Deserialize, Serialize};

/// `X.Y.*`, as existing manifests have it. Only the compatibility routes take
/// it, and give it a number when the bundle is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StarVersion {
    pub major: u64,
    pub minor: u64,
}

/// The text is not `X.Y.*`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version with a star is `X.Y.*`, with two numbers without leading zeros")]
pub struct InvalidStarVersion;

impl StarVersion {
    /// The first version of the line.
    pub const fn first(self) -> Version {
        Version::new(self.major, self.minor, 0)
    }

    /// Whether `version` is a release of this line: pre-releases do not count.
    pub fn matches(self, version: &Version) -> bool {
        (version.major, version.minor) == (self.major, self.minor) && version.pre.is_empty()
    }

    /// The patch after the highest of `versions`; `None` when there is no number left.
    pub fn next(self, versions: impl IntoIterator<Item = Version>) -> Option<Version> {
        let of_line = versions.into_iter().filter(|version| self.matches(version));
        match of_line.map(|version| version.patch).max() {
            None => Some(self.first()),
            Some(highest) => Some(Version::new(self.major, self.minor, highest.checked_add(1)?)),
        }
    }
}

impl FromStr for StarVersion {
    type Err = InvalidStarVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The rules for numbers are those of semantic versions.
        let line = text.strip_suffix(".*").ok_or(InvalidStarVersion)?;
        let first = Version::parse(&format!("{line}.0")).map_err(|_| InvalidStarVersion)?;
        let star = Self { major: first.major, minor: first.minor };
        if star.to_string() == text { Ok(star) } else { Err(InvalidStarVersion) }
    }
}

impl TryFrom<String> for StarVersion {
    type Error = InvalidStarVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StarVersion> for String {
    fn from(star: StarVersion) -> Self {
        star.to_string()
    }
}

impl fmt::Display for StarVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.*", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(published: &[&str]) -> Option<String> {
        let star: StarVersion = "1.2.*".parse().unwrap();
        let versions = published.iter().map(|version| version.parse().unwrap());
        star.next(versions).map(|version| version.to_string())
    }

    #[test]
    fn a_star_has_one_spelling() {
        let star = StarVersion { major: 10, minor: 0 };

        assert_eq!("10.0.*".parse(), Ok(star));
        assert_eq!(star.to_string(), "10.0.*");
        for other in ["1.*", "*", "1.*.*", "01.2.*", "1.2.3.*", "v1.2.*", "1.2.*-rc", " 1.2.*"] {
            assert_eq!(other.parse::<StarVersion>(), Err(InvalidStarVersion), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_the_patch_after_the_highest() {
        assert_eq!(next(&[]).as_deref(), Some("1.2.0"));
        assert_eq!(next(&["1.2.9", "1.2.10", "1.3.40", "0.2.50"]).as_deref(), Some("1.2.11"));
        assert_eq!(next(&["1.2.3-rc.1", "1.2.2-rc.9"]).as_deref(), Some("1.2.0"));
        assert_eq!(next(&["1.2.3+build"]).as_deref(), Some("1.2.4"));
        assert_eq!(next(&["1.2.18446744073709551615"]), None);
    }
}
