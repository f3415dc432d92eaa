//! Sessions, tokens and sign-in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problems::Findings;

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Seconds without a request after which a session ends.
    pub session_idle_s: u64,
    /// Seconds after which a session ends in any case.
    pub session_absolute_s: u64,
    /// Seconds for which a password stays recent enough for dangerous actions.
    pub step_up_s: u64,
    /// Days a token lives when its maker says nothing.
    pub token_default_days: u32,
    /// The most days a token can be given.
    pub token_max_days: u32,
    /// Seconds the one-time setup token is good for.
    pub setup_token_ttl_s: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            session_idle_s: 30 * 60,
            session_absolute_s: 12 * 60 * 60,
            step_up_s: 10 * 60,
            token_default_days: 90,
            token_max_days: 365,
            setup_token_ttl_s: 24 * 60 * 60,
        }
    }
}

impl AuthConfig {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.expect(
            self.session_idle_s <= self.session_absolute_s,
            "auth.session_idle_s",
            "must not be above auth.session_absolute_s",
        );
        findings.expect(
            self.token_default_days <= self.token_max_days,
            "auth.token_default_days",
            "must not be above auth.token_max_days",
        );
    }
}
