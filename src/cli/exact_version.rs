//! One version of one extension, as commands take it: `NAME@VERSION`.

use std::str::FromStr;

use semver::Version;

use crate::model::ExtensionName;

/// An extension and exactly one version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExactVersion {
    pub(super) name: ExtensionName,
    pub(super) version: Version,
}

impl ExactVersion {
    /// Where the API has it.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/extensions/{}/versions/{}", self.name, self.version)
    }
}

impl FromStr for ExactVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) =
            text.split_once('@').ok_or_else(|| format!("name the version, too: {text}@1.2.3"))?;
        let name = name.parse::<ExtensionName>().map_err(|error| error.to_string())?;
        let version = parse_version(version)?;
        Ok(Self { name, version })
    }
}

/// Reads a version, in words for people who mistype one.
pub(super) fn parse_version(text: &str) -> Result<Version, String> {
    text.parse().map_err(|_| format!("`{text}` is no exact version, as 1.4.0 is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_version_is_told_in_words() {
        assert_eq!(parse_version("x").unwrap_err(), "`x` is no exact version, as 1.4.0 is");
        assert_eq!(parse_version("1.4.0"), Ok(Version::new(1, 4, 0)));
    }

    #[test]
    fn a_version_is_exact_and_named() {
        let exact: ExactVersion = "com.example.hello@1.4.0-rc.1".parse().unwrap();
        assert_eq!(exact.path(), "/api/v1/extensions/com.example.hello/versions/1.4.0-rc.1");
        for text in ["a", "a@", "a@1.4", "a@1.*", "A@1.0.0", "@1.0.0"] {
            assert!(text.parse::<ExactVersion>().is_err(), "{text}");
        }
    }
}
