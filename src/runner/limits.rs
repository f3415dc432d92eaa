//! What one execution may take, beside its time.

use std::fmt;

use wasmtime::{ResourceLimiter, format_err};

use crate::config::RunnerConfig;
use crate::model::TargetWorld;

/// Whether anything in here holds. Only `benches/run limits` has it otherwise, in a program that
/// says so when it starts, to measure what limits cost.
pub(super) const ENFORCED: bool = option_env!("PLUGBOARD_BENCH_WITHOUT_LIMITS").is_none();

/// Handles and host resources of one execution.
pub(super) const HANDLES: usize = 1_000;
/// Calls of one execution to the host's own interfaces.
pub(super) const HOST_CALLS: u32 = 10_000;
/// Bytes of what is kept that count as one such call.
pub(super) const BYTES_PER_HOST_CALL: usize = 64 * 1024;
/// Bytes of randomness in one call.
pub(super) const RANDOM_BYTES: u64 = 64 * 1024;
/// Bytes of one set of header fields, as the host keeps them.
pub(super) const FIELD_BYTES: usize = 64 * 1024;
/// Tables of one execution: their elements are what costs memory.
pub(super) const TABLES: usize = 16;
/// Elements of the table that a component is given when it is compiled (`own_table.rs`), which
/// do not count against what it may have.
pub(super) const SECOND_TABLE_ELEMENTS: usize = 4_096;

/// Bytes a guest may hand to the host in one call, at least.
const HOSTCALL_FUEL: usize = 16 * 1024 * 1024;

/// Enough for the largest response and its headers, and no more: a guest can
/// name the same bytes many times over in nested lists. What is streamed comes
/// in pieces, however long all of it is.
pub(super) fn hostcall_fuel(world: TargetWorld, max_response_bytes: u64) -> usize {
    if world.streams() {
        return HOSTCALL_FUEL;
    }
    let response = usize::try_from(max_response_bytes).unwrap_or(usize::MAX);
    response.saturating_add(1024 * 1024).max(HOSTCALL_FUEL)
}

/// The limits of `[runner]` that a store enforces.
pub(super) struct StoreLimits {
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    memories: usize,
}

/// Counts what one store has. Sums over all memories and tables, because a
/// guest chooses how many it has.
pub(super) struct CallLimits {
    memory_bytes: Budget,
    table_elements: Budget,
    instances: usize,
    memories: usize,
    refused: Option<Refused>,
}

struct Budget {
    limit: usize,
    /// On top of the limit.
    spare: usize,
    used: usize,
    /// What the last growth added, given back if it then fails elsewhere.
    last: usize,
}

/// The limit that an execution ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    MemoryBytes(usize),
    TableElements(usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryBytes(limit) => write!(f, "{limit} bytes of memory"),
            Self::TableElements(limit) => write!(f, "{limit} table elements"),
        }
    }
}

impl StoreLimits {
    pub(super) fn new(config: &RunnerConfig) -> Self {
        let saturated = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            memory_bytes: saturated(config.memory_bytes),
            table_elements: saturated(config.table_elements),
            instances: config.instances,
            memories: config.memories,
        }
    }

    pub(super) fn per_call(&self) -> CallLimits {
        CallLimits {
            memory_bytes: Budget::new(self.memory_bytes),
            table_elements: Budget {
                spare: SECOND_TABLE_ELEMENTS,
                ..Budget::new(self.table_elements)
            },
            instances: self.instances,
            memories: self.memories,
            refused: None,
        }
    }
}

impl Budget {
    fn new(limit: usize) -> Self {
        Self { limit, spare: 0, used: 0, last: 0 }
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        self.last = desired.saturating_sub(current);
        let wanted = self.used.saturating_add(self.last);
        let fits = wanted <= self.limit.saturating_add(self.spare);
        if fits {
            self.used = wanted;
        } else {
            self.last = 0;
        }
        fits
    }

    fn take_back(&mut self) {
        self.used = self.used.saturating_sub(self.last);
        self.last = 0;
    }
}

impl CallLimits {
    /// The limit that a failed execution ran into, if it did.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Bytes of all memories together: they never shrink.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.used as u64
    }
}

impl ResourceLimiter for CallLimits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = self.memory_bytes.grow(current, desired);
        if !fits {
            self.refused = Some(Refused::MemoryBytes(self.memory_bytes.limit));
        }
        // A guest may cope: `memory.grow` answers -1.
        Ok(fits)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Not our refusal, but that of the pool behind it: its slots are of the same size.
        if self.memory_bytes.last > 0 {
            self.refused = Some(Refused::MemoryBytes(self.memory_bytes.limit));
        }
        self.memory_bytes.take_back();
        drop(error);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.table_elements.grow(current, desired) {
            return Ok(true);
        }
        let refused = Refused::TableElements(self.table_elements.limit);
        self.refused = Some(refused);
        // No program grows a table and copes with a refusal.
        Err(format_err!("more than {refused}"))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.table_elements.take_back();
        drop(error);
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 * 1024;

    fn limits() -> CallLimits {
        let config = RunnerConfig {
            memory_bytes: 4 * PAGE as u64,
            table_elements: 10,
            ..RunnerConfig::default()
        };
        StoreLimits::new(&config).per_call()
    }

    #[test]
    fn a_store_is_told_how_many_of_each_it_may_have() {
        let config = RunnerConfig { instances: 5, memories: 3, ..RunnerConfig::default() };
        let limits = StoreLimits::new(&config).per_call();

        let told = (limits.instances(), limits.tables(), limits.memories());

        assert_eq!(told, (5, TABLES, 3));
    }

    #[test]
    fn all_memories_share_one_budget() {
        let mut limits = limits();

        assert!(limits.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(limits.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!limits.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        assert_eq!(limits.refused(), Some(Refused::MemoryBytes(4 * PAGE)));
    }

    #[test]
    fn a_growth_that_fails_elsewhere_is_given_back() {
        let mut limits = limits();
        limits.memory_growing(0, 3 * PAGE, None).unwrap();

        limits.memory_grow_failed(format_err!("no memory")).unwrap();

        assert!(limits.memory_growing(0, 4 * PAGE, None).unwrap());
    }

    #[test]
    fn what_is_streamed_does_not_pass_in_one_call() {
        let whole = 2 * HOSTCALL_FUEL as u64;

        assert!(hostcall_fuel(TargetWorld::Extension, whole) > 2 * HOSTCALL_FUEL);
        assert_eq!(hostcall_fuel(TargetWorld::WasiHttp, whole), HOSTCALL_FUEL);
    }

    #[test]
    fn all_tables_share_one_budget() {
        let mut limits = limits();

        assert!(limits.table_growing(0, SECOND_TABLE_ELEMENTS, None).unwrap());
        assert!(limits.table_growing(0, 6, None).unwrap());
        assert!(limits.table_growing(6, 10, None).unwrap());
        assert!(limits.table_growing(10, 11, None).is_err());
        assert_eq!(limits.refused(), Some(Refused::TableElements(10)));
    }
}
