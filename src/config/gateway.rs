//! Calls to extensions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[gateway]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// `EXT_GATEWAY_TIMEOUT_MS`: milliseconds for one call; an endpoint can only lower it.
    pub timeout_ms: u64,
    /// Bytes of a request body.
    pub max_body_bytes: u64,
    /// Bytes of a response body.
    pub max_response_bytes: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            max_body_bytes: 10 * 1024 * 1024,
            max_response_bytes: 8 * 1024 * 1024,
        }
    }
}
