//! Whose signatures count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[signing]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// `require`, or `allow-unsigned` for development: shown in red on every page.
    pub policy: SigningPolicy,
    /// `SIGNING_TRUST_BUNDLE`: a path, PEM text or JSON text; empty: only the registry's own keys count.
    pub trust_bundle: String,
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self { policy: SigningPolicy::Require, trust_bundle: String::new() }
    }
}

/// What happens to a bundle that no trusted key signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigningPolicy {
    /// It is quarantined.
    #[default]
    Require,
    /// It is accepted. For development only.
    AllowUnsigned,
}
