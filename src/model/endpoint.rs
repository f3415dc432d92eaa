//! The calls an extension answers: what its manifest declares under `api.endpoints`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One declared call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub method: EndpointMethod,
    pub path: EndpointPath,
    /// Selects nothing: the guest routes by itself. Kept because it is shown.
    pub handler: String,
    #[serde(default)]
    pub auth: EndpointAuth,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Milliseconds; can only lower the appliance's own deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Bytes; can only lower the appliance's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
    #[serde(default)]
    pub schedulable: bool,
}

/// Who may call an endpoint.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EndpointAuth {
    /// An operator's session, or a token with `ext:invoke`.
    #[default]
    Session,
    /// Only a token with `ext:invoke`.
    Token,
    /// Anyone.
    Public,
}

/// A method an endpoint can declare.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Head,
}

impl EndpointMethod {
    /// The method as HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Head => "HEAD",
        }
    }

    /// Parses any case; `None` for any other method.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Get,
            Self::Post,
            Self::Put,
            Self::Patch,
            Self::Delete,
            Self::Options,
            Self::Head,
        ];
        all.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for EndpointMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A declared path: literal segments and `:param` segments, one leading `/`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointPath(String);

/// The text is not a declarable path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint path is not blank and has no white space, no control character and no `..`")]
pub struct InvalidEndpointPath;

impl EndpointPath {
    /// The path as text, with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request path fits: same number of segments, each literal or `:param`.
    ///
    /// Trailing slashes do not count.
    pub fn matches(&self, request_path: &str) -> bool {
        let mut declared = self.0.trim_end_matches('/').split('/');
        let mut asked = request_path.trim_end_matches('/').split('/');
        loop {
            match (declared.next(), asked.next()) {
                (None, None) => return true,
                (Some(want), Some(got)) if want == got => {}
                (Some(want), Some(got)) if want.starts_with(':') && !got.is_empty() => {}
                _ => return false,
            }
        }
    }
}

impl FromStr for EndpointPath {
    type Err = InvalidEndpointPath;

    /// Normalizes: a leading `./` goes, repeated slashes become one, a leading `/` is added.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.is_empty() || text.contains(bad) || text.contains("..") {
            return Err(InvalidEndpointPath);
        }
        let text = text.strip_prefix("./").unwrap_or(text);
        let mut path = String::with_capacity(text.len() + 1);
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            path.push('/');
            path.push_str(segment);
        }
        if path.is_empty() || text.ends_with('/') && path.len() > 1 {
            path.push('/');
        }
        Ok(Self(path))
    }
}

impl TryFrom<String> for EndpointPath {
    type Error = InvalidEndpointPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EndpointPath> for String {
    fn from(path: EndpointPath) -> Self {
        path.0
    }
}

impl fmt::Display for EndpointPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EndpointPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_parameter_matches_one_segment() {
        assert!(path("/api/:id").matches("/api/7"));
        assert!(path("/api/:id").matches("/api/7/"));
        assert!(!path("/api/:id").matches("/api/"));
        assert!(!path("/api/:id").matches("/api/7/8"));
        assert!(path("/").matches("/"));
        assert!(!path("/").matches("/x"));
    }

    #[test]
    fn paths_are_normalized() {
        assert_eq!(path("./a//b").as_str(), "/a/b");
        assert_eq!(path("a").as_str(), "/a");
        for text in ["", " ", "/a b", "/a/../b", "/a\\b"] {
            assert_eq!(text.parse::<EndpointPath>(), Err(InvalidEndpointPath), "{text:?}");
        }
    }
}
