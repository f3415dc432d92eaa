//! The engine and the clock behind its interruptions.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::{io, mem};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy,
    WasmFeatures,
};

use super::{RunnerError, TICK, limits, pagemap};
use crate::config::RunnerConfig;

/// Stack of one execution: the guest's and, above it, the host's.
const HOST_STACK_BYTES: usize = 1536 * 1024;
/// Bytes of a used stack that are cleared by hand instead of given back.
const STACK_RESIDENT_BYTES: usize = 32 * 1024;
/// Bytes of a used memory that are cleared by hand where the kernel can tell
/// which pages a guest wrote (Linux 6.7, and see `pagemap.rs`).
pub(super) const MEMORY_RESIDENT_BYTES: usize = 1024 * 1024;
/// The same without that help: all of them are written, touched or not.
const BLIND_RESIDENT_BYTES: usize = 256 * 1024;
/// Bytes that describe one instance: grows with the functions of a component,
/// and a scripting engine has some ten thousand.
const INSTANCE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a used table that are cleared by hand where the kernel can tell which pages a
/// guest wrote: those of a scripting engine.
const TABLE_RESIDENT_BYTES: usize = 128 * 1024;
/// The same without that help.
const BLIND_TABLE_RESIDENT_BYTES: usize = 16 * 1024;

/// Proposals that no supported toolchain needs: each is compiler code that a
/// hostile component could reach. Some are not even compiled in; named here,
/// they stay off whoever turns a cargo feature on.
const REFUSED: WasmFeatures = WasmFeatures::MEMORY64
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::CM_ASYNC)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CM_GC);

/// One engine for both worlds.
pub(super) fn build(config: &RunnerConfig) -> Result<Engine, RunnerError> {
    let mut settings = settings(config.wasm_stack_bytes);
    settings
        // Stacks are reused: the next guest, or a bug, must not read the last one's.
        .async_stack_zeroing(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    Engine::new(&settings).map_err(RunnerError::Engine)
}

/// An engine whose code the other one takes, and that can run nothing.
pub(super) fn for_compiling(wasm_stack_bytes: usize) -> wasmtime::Result<Engine> {
    // Pools are of no use here, and take the address space that a limit is on.
    Engine::new(&settings(wasm_stack_bytes))
}

/// What compiled code depends on, and what it costs nothing to have the same.
fn settings(wasm_stack_bytes: usize) -> Config {
    let mut settings = Config::new();
    settings
        .strategy(Strategy::Cranelift)
        .epoch_interruption(limits::ENFORCED)
        .max_wasm_stack(wasm_stack_bytes)
        .async_stack_size(wasm_stack_bytes.saturating_add(HOST_STACK_BYTES))
        .memory_init_cow(true)
        // An eighth of compiled code: positions in the source, of which the log of a trap has
        // none, and what a debugger of the host finds its way through frames with.
        .generate_address_map(false)
        .native_unwind_info(false)
        // Costs each execution several microseconds; only `wasi:http` 0.3 needs it.
        .concurrency_support(false);
    settings.wasm_features(REFUSED, false);
    settings
}

/// Room for every slot at its limits, so that a full pool is never a reason to
/// fail. Address space is reserved, memory is not.
fn pool(config: &RunnerConfig) -> PoolingAllocationConfig {
    let count = |per_execution: usize| {
        u32::try_from(config.slots.saturating_mul(per_execution)).unwrap_or(u32::MAX)
    };
    let each = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    let saturated = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_stacks(count(1))
        .total_core_instances(count(config.instances))
        .total_memories(count(config.memories))
        .total_tables(count(limits::TABLES))
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instances_per_component(each(config.instances))
        .max_memories_per_component(each(config.memories))
        .max_memories_per_module(each(config.memories))
        .max_tables_per_component(each(limits::TABLES))
        .max_tables_per_module(each(limits::TABLES))
        .max_memory_size(saturated(config.memory_bytes))
        .table_elements(saturated(config.table_elements))
        .async_stack_keep_resident(STACK_RESIDENT_BYTES);
    if pagemap::is_exact() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(MEMORY_RESIDENT_BYTES)
            .table_keep_resident(TABLE_RESIDENT_BYTES);
    } else {
        pool.linear_memory_keep_resident(BLIND_RESIDENT_BYTES)
            .table_keep_resident(BLIND_TABLE_RESIDENT_BYTES);
    }
    pool
}

/// The one thread that advances the epoch. With one per request, concurrent
/// requests would shorten each other's time.
pub(super) struct Ticker {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine, at_tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.clone();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
                at_tick();
            }
        };
        let thread = thread::Builder::new().name("runner-epoch".to_owned()).spawn(tick)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Hanging up wakes the thread at once.
        drop(mem::replace(&mut self.stop, mpsc::channel().0));
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to do if it did.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stops_with_its_owner() {
        let engine = build(&RunnerConfig { slots: 1, ..RunnerConfig::default() }).unwrap();
        let ticker = Ticker::start(&engine, || {}).unwrap();
        let weak = engine.weak();

        drop((engine, ticker));

        assert!(weak.upgrade().is_none(), "the thread held the last engine");
    }
}
