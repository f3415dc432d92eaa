//! The registry file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[registry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Bytes of registry pages kept in memory.
    pub cache_bytes: usize,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024 }
    }
}
