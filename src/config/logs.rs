//! What extensions write to their logs, kept on disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problems::Findings;

/// The least that a ring has room for: a few of the longest executions.
const LEAST_BYTES: u64 = 1024 * 1024;

/// `[logs]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    /// Bytes kept of the lines of one install, at least 1 MiB, the oldest go first; 0: none.
    pub bytes_per_install: u64,
    /// Callers that follow lines at the same time, in the whole appliance.
    pub followers: usize,
    /// Those of one tenant.
    pub followers_per_tenant: usize,
    /// `EXT_DEBUG_SSE_TAIL_COUNT`: lines that the debug stream begins with.
    pub debug_stream_lines: usize,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            bytes_per_install: 4 * 1024 * 1024,
            followers: 64,
            followers_per_tenant: 16,
            debug_stream_lines: 200,
        }
    }
}

impl LogsConfig {
    pub(super) fn check(&self, findings: &mut Findings) {
        if (1..LEAST_BYTES).contains(&self.bytes_per_install) {
            let problem = format!("must be 0 or at least {LEAST_BYTES}");
            findings.add("logs.bytes_per_install", problem);
        }
    }
}
