//! What extensions keep, in a file of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[state]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateConfig {
    /// Bytes of its pages kept in memory.
    pub cache_bytes: usize,
    /// Bytes of one value.
    pub max_value_bytes: u64,
    /// Bytes of one key.
    pub max_key_bytes: u64,
    /// Namespaces of one install.
    pub max_namespaces: u64,
    /// Keys of one install, in all its namespaces.
    pub max_keys: u64,
    /// Bytes of one install: its values, with their keys and namespaces.
    pub max_bytes: u64,
    /// Operations of one install in a second, and five times as many at once; 0 is no limit.
    pub max_operations_per_s: u32,
    /// Days that are left to export what an uninstalled extension kept.
    pub kept_days: u32,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * 1024 * 1024,
            max_value_bytes: 1024 * 1024,
            max_key_bytes: 512,
            max_namespaces: 1_000,
            max_keys: 100_000,
            max_bytes: 256 * 1024 * 1024,
            max_operations_per_s: 1_000,
            kept_days: 30,
        }
    }
}
