//! What an API token may do: a closed list (docs/API.md, "Callers").

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{ExtensionName, NameGlob};

/// One kind of permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeKind {
    BundlePublish,
    InstallWrite,
    InstallRead,
    ExtInvoke,
    TrustWrite,
    TokenWrite,
    AuditRead,
    MetricsRead,
}

/// A permission, optionally for the extension names of one glob only:
/// `install:write` or `install:write:com.acme.*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    pub kind: ScopeKind,
    pub names: Option<NameGlob>,
}

/// The text is not one of the scopes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope; the scopes are bundle:publish, install:write, install:read, \
     ext:invoke, trust:write, token:write, audit:read and metrics:read, each with an optional \
     `:<extension name or prefix.*>`"
)]
pub struct InvalidScope(pub String);

impl ScopeKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::BundlePublish,
        Self::InstallWrite,
        Self::InstallRead,
        Self::ExtInvoke,
        Self::TrustWrite,
        Self::TokenWrite,
        Self::AuditRead,
        Self::MetricsRead,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BundlePublish => "bundle:publish",
            Self::InstallWrite => "install:write",
            Self::InstallRead => "install:read",
            Self::ExtInvoke => "ext:invoke",
            Self::TrustWrite => "trust:write",
            Self::TokenWrite => "token:write",
            Self::AuditRead => "audit:read",
            Self::MetricsRead => "metrics:read",
        }
    }
}

impl Scope {
    /// Whether this scope allows `kind` for `name`; `None` asks about every name.
    pub fn allows(&self, kind: ScopeKind, name: Option<&ExtensionName>) -> bool {
        let names_fit = match (&self.names, name) {
            (None, _) => true,
            (Some(glob), Some(name)) => glob.matches(name),
            (Some(_), None) => false,
        };
        self.kind == kind && names_fit
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidScope(text.to_owned());
        let kind = ScopeKind::ALL
            .into_iter()
            .find(|kind| {
                text.strip_prefix(kind.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            })
            .ok_or_else(invalid)?;
        let rest = &text[kind.as_str().len()..];
        let names = match rest.strip_prefix(':') {
            None => None,
            Some(glob) => Some(glob.parse().map_err(|_| invalid())?),
        };
        Ok(Self { kind, names })
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names {
            None => f.write_str(self.kind.as_str()),
            Some(glob) => write!(f, "{}:{glob}", self.kind.as_str()),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_with_a_glob_allows_only_those_names() {
        let scope: Scope = "install:write:com.acme.*".parse().unwrap();
        let (ours, theirs) = ("com.acme.a".parse().unwrap(), "com.acmeevil.a".parse().unwrap());

        assert!(scope.allows(ScopeKind::InstallWrite, Some(&ours)));
        assert!(!scope.allows(ScopeKind::InstallWrite, Some(&theirs)));
        assert!(!scope.allows(ScopeKind::InstallWrite, None));
        assert!(!scope.allows(ScopeKind::InstallRead, Some(&ours)));
    }

    #[test]
    fn only_listed_scopes_parse() {
        for text in ["", "admin", "install:write:", "install:writer", "INSTALL:WRITE"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
