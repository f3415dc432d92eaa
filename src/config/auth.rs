//! Sessions, tokens and sign-in.

use serde::{Deserialize, Serialize};

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
