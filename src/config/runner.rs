//! How extensions run.

use serde::{Deserialize, Serialize};

/// `[runner]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunnerConfig {
    /// Executions at the same time in the whole appliance.
    pub slots: usize,
    /// Executions at the same time of one tenant.
    pub slots_per_tenant: usize,
    /// Executions at the same time of one install.
    pub slots_per_install: usize,
    /// Milliseconds an execution waits for a slot.
    pub queue_ms: u64,
    /// Bytes of memory of one execution, all memories together.
    pub memory_bytes: u64,
    /// Table elements of one execution, all tables together.
    pub table_elements: u64,
    /// Core instances of one execution.
    pub instances: usize,
    /// Memories of one execution.
    pub memories: usize,
    /// Bytes of stack of one execution.
    pub wasm_stack_bytes: usize,
    /// Components compiled at the same time.
    pub compile_threads: usize,
    /// `RUNNER_BASE_URL`: the runner is inside this process; read and checked, no effect.
    pub base_url: String,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            slots: 128,
            slots_per_tenant: 32,
            slots_per_install: 8,
            queue_ms: 1_000,
            memory_bytes: 256 * 1024 * 1024,
            table_elements: 100_000,
            instances: 64,
            memories: 8,
            wasm_stack_bytes: 512 * 1024,
            compile_threads: 1,
            base_url: String::new(),
        }
    }
}
