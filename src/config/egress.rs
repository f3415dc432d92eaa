//! What extensions may call. It takes effect with outgoing requests; until then all are refused.

use serde::{Deserialize, Serialize};

/// `[egress]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// `EXT_EGRESS_ALLOWLIST`: `[scheme://]host[:port]`, `*.suffix` for sub-domains; empty: nothing.
    pub allowlist: Vec<String>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self { allowlist: Vec::new() }
    }
}
