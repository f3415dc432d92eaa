//! How extensions run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{problems::Findings, store::web_url};

/// `[runner]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunnerConfig {
    /// Executions at the same time in the whole appliance.
    pub slots: usize,
    /// Executions at the same time of one tenant.
    pub slots_per_tenant: usize,
    /// Executions at the same time of one install.
    pub slots_per_install: usize,
    /// Threads that run extensions, and as many for those that compute; 0: one for each core.
    pub threads: usize,
    /// Milliseconds an execution waits for a slot.
    pub queue_ms: u64,
    /// Milliseconds of a processor for one execution.
    pub cpu_ms: u64,
    /// Percent of a core that one install may use over time; 0: no limit.
    pub cpu_percent_per_install: u32,
    /// Milliseconds of a processor that it may use at once beyond that.
    pub cpu_burst_ms_per_install: u64,
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
    /// Bytes of memory that compiling one component may take, reserved ones included.
    pub compile_memory_bytes: u64,
    /// Seconds of a processor that compiling one component may take; half more by the clock.
    pub compile_cpu_s: u64,
    /// Bytes of compiled components kept on disk, for starts that compile nothing; 0: none.
    pub compiled_bytes: u64,
    /// Bytes of compiled components loaded at a start, last used first; 0: each at its first call.
    pub preload_bytes: u64,
    /// Bytes of compiled components in memory; those called longest ago are given back.
    pub loaded_bytes: u64,
    /// Executions of an install that fail in a row until it is left alone a while; 0: never.
    pub breaker_failures: u32,
    /// Milliseconds a failing install is left alone at most between two tries.
    pub breaker_max_pause_ms: u64,
    /// `RUNNER_BASE_URL`: the runner is inside this process. Read and checked; no effect.
    pub base_url: String,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            slots: 128,
            slots_per_tenant: 32,
            slots_per_install: 8,
            threads: 0,
            queue_ms: 1_000,
            cpu_ms: 2_000,
            cpu_percent_per_install: 100,
            cpu_burst_ms_per_install: 60_000,
            memory_bytes: 256 * 1024 * 1024,
            table_elements: 100_000,
            instances: 64,
            memories: 8,
            wasm_stack_bytes: 512 * 1024,
            compile_threads: 1,
            compile_memory_bytes: 2 * 1024 * 1024 * 1024,
            compile_cpu_s: 60,
            compiled_bytes: 2 * 1024 * 1024 * 1024,
            preload_bytes: 1024 * 1024 * 1024,
            loaded_bytes: 1024 * 1024 * 1024,
            breaker_failures: 10,
            breaker_max_pause_ms: 60_000,
            base_url: String::new(),
        }
    }
}

impl RunnerConfig {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.expect(
            self.slots_per_tenant <= self.slots,
            "runner.slots_per_tenant",
            "must not be above runner.slots",
        );
        findings.expect(
            self.slots_per_install <= self.slots_per_tenant,
            "runner.slots_per_install",
            "must not be above runner.slots_per_tenant",
        );
        findings.expect(
            self.base_url.is_empty() || web_url(&self.base_url).is_some(),
            "runner.base_url",
            "must be a URL, as `http://runner:8080`",
        );
    }
}
