//! Runs extensions: one bounded execution of a component per request.
//!
//! `Runner` keeps one engine, compiles each component once and gives every
//! execution a fresh store, so that nothing a guest did outlives its request.
//! Which world a component lives in is known to `worlds` alone. The module
//! holds no store, no key and no session: an [`Invocation`] brings all that one
//! execution may know, a [`GuestResponse`] is all that comes back.

mod bindings;
mod compiler;
mod component_cache;
mod engine;
mod error;
mod host;
mod invocation;
mod limits;
mod precompiled;
mod response;
mod slots;
mod worlds;

pub use compiler::worker::{WorkerError, confine, run as compile_for_another_process};
pub use error::{ExecuteError, PrepareError, RunnerError};
pub use invocation::{ExecutionContext, GuestRequest, Invocation, UserIdentity};
pub use limits::Refused;
pub use precompiled::{CompiledFolder, ComponentCounts};
pub use response::{GuestResponse, Usage};

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};

use self::compiler::Compiler;
use self::component_cache::{ComponentCache, Work};
use self::engine::Ticker;
use self::error::CallError;
use self::host::Host;
use self::limits::StoreLimits;
use self::precompiled::Precompiled;
use self::slots::Slots;
use self::worlds::Worlds;
use crate::config::RunnerConfig;
use crate::model::{ContentHash, FileDigest, StreamHasher, TargetWorld};

/// What a runner has beside its settings.
#[derive(Default)]
pub struct RunnerParts {
    /// Where compiled components are kept. Without it each is compiled once per process.
    pub folder: Option<CompiledFolder>,
    /// This program: components are compiled by its `compile-worker`, with limits. Without
    /// it they are compiled in this process, and without any.
    pub compiler: Option<PathBuf>,
}

/// Executes components. One per process; share it in an `Arc`.
pub struct Runner {
    engine: Engine,
    worlds: Arc<Worlds>,
    components: ComponentCache,
    /// What is kept of them on disk.
    precompiled: Option<Arc<Precompiled>>,
    compiler: Compiler,
    compiled: Arc<AtomicU64>,
    slots: Slots,
    limits: StoreLimits,
    _ticker: Ticker,
}

impl Runner {
    /// Reserves the pools and starts the clock that interrupts busy guests.
    pub fn new(config: &RunnerConfig, parts: RunnerParts) -> Result<Self, RunnerError> {
        let RunnerParts { folder, compiler } = parts;
        let engine = engine::build(config)?;
        let worlds = Arc::new(Worlds::new(&engine).map_err(RunnerError::Link)?);
        let precompiled = folder.map(|folder| Precompiled::open(folder, &engine)).transpose();
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            worlds,
            components: ComponentCache::new(config.compile_threads),
            precompiled: precompiled.map_err(RunnerError::Folder)?.map(Arc::new),
            compiler: Compiler::new(compiler, config.wasm_stack_bytes),
            compiled: Arc::default(),
            slots: Slots::new(config),
            limits: StoreLimits::new(config),
            engine,
            _ticker: ticker,
        })
    }

    /// Compiles and links a component, once per hash however many ask at once.
    ///
    /// A caller that gives up does not stop the work.
    pub async fn prepare(
        &self,
        hash: ContentHash,
        world: TargetWorld,
        wasm: Bytes,
    ) -> Result<(), PrepareError> {
        loop {
            let (engine, worlds) = (self.engine.clone(), Arc::clone(&self.worlds));
            let (precompiled, count) = (self.precompiled.clone(), Arc::clone(&self.compiled));
            let (compiler, wasm) = (self.compiler.clone(), wasm.clone());
            let compile = move || {
                let code = compiler.compile(&engine, &wasm)?;
                count.fetch_add(1, Relaxed);
                let component = code.load(&engine);
                let component =
                    component.map_err(|error| PrepareError::Compile(worlds::describe(&error)))?;
                let prepared = worlds.prepare(&engine, world, &component)?;
                if let Some(precompiled) = precompiled {
                    precompiled.keep(&StreamHasher::digest(&wasm).into(), &code);
                }
                Ok(prepared)
            };
            match self.components.prepare(hash, Work::Compile, compile).await {
                // Somebody else was looking for it on disk just now, and did not find it.
                Err(PrepareError::NotCompiled) => {}
                outcome => return outcome,
            }
        }
    }

    /// Loads and links a component that this appliance compiled before, in this process or
    /// an earlier one; says whether there is one. `component` is the hash of its WebAssembly.
    pub async fn load(
        &self,
        hash: ContentHash,
        world: TargetWorld,
        component: FileDigest,
    ) -> Result<bool, PrepareError> {
        let Some(precompiled) = self.precompiled.clone() else { return Ok(false) };
        let (engine, worlds) = (self.engine.clone(), Arc::clone(&self.worlds));
        let load = move || {
            let component = precompiled.load(&engine, &component);
            worlds.prepare(&engine, world, &component.ok_or(PrepareError::NotCompiled)?)
        };
        match self.components.prepare(hash, Work::Load, load).await {
            Ok(()) => Ok(true),
            Err(PrepareError::NotCompiled) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes from disk what was compiled of other components; says how many.
    pub fn sweep_compiled(&self, components: &HashSet<FileDigest>) -> io::Result<usize> {
        self.precompiled.as_ref().map_or(Ok(0), |precompiled| precompiled.retain(components))
    }

    /// How often components were made ready since the start of the process.
    pub fn component_counts(&self) -> ComponentCounts {
        let on_disk = |count: fn(&Precompiled) -> u64| {
            self.precompiled.as_deref().map(count).unwrap_or_default()
        };
        ComponentCounts {
            compiled: self.compiled.load(Relaxed),
            loaded: on_disk(Precompiled::loaded),
            refused: on_disk(Precompiled::refused),
        }
    }

    /// Whether an execution of this bundle would start at once.
    pub fn is_ready(&self, hash: &ContentHash) -> bool {
        self.components.get(hash).is_some()
    }

    /// Drops the compiled component; executions under way finish.
    pub fn forget(&self, hash: &ContentHash) {
        self.components.forget(hash);
    }

    /// Runs the component of `invocation` on its request.
    pub async fn execute(&self, invocation: Invocation) -> Result<GuestResponse, ExecuteError> {
        let Invocation { content_hash, world, context, request, .. } = invocation;
        let component = self.components.get(&content_hash).filter(|found| found.world() == world);
        let component = component.ok_or(ExecuteError::NotPrepared)?;
        let _slot = self.slots.acquire(&context.install).await?;

        let started = Instant::now();
        let (deadline, max_response_bytes) = (invocation.deadline, invocation.max_response_bytes);
        let host = Host::new(context, invocation.grants, invocation.user, self.limits.per_call());
        let mut store = self.store(host, max_response_bytes);
        let call = component.call(&mut store, request, max_response_bytes);
        let outcome = timeout(deadline, call).await;

        let log = store.data_mut().close();
        let usage = Usage { duration: started.elapsed(), ..log };
        match outcome {
            Err(_elapsed) => Err(ExecuteError::Deadline(deadline)),
            Ok(Ok(response)) => Ok(GuestResponse { usage, ..response }),
            Ok(Err(error)) => Err(blame(&store, error)),
        }
    }

    /// A fresh store: a guest never meets what an earlier one left.
    fn store(&self, host: Host, max_response_bytes: u64) -> Store<Host> {
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.limits);
        store.set_hostcall_fuel(limits::hostcall_fuel(max_response_bytes));
        store.set_max_component_handles(limits::HANDLES);
        // A busy guest gives its thread back at every tick. `yield_now` lets
        // the timer run first: without it a loop on a single-threaded runtime
        // would be found out many ticks after its deadline.
        store.epoch_deadline_callback(|_| {
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// Which limit or which fault ended an execution.
fn blame(store: &Store<Host>, error: CallError) -> ExecuteError {
    match error {
        CallError::BadResponse(reason) => ExecuteError::BadResponse(reason),
        CallError::TooLarge { limit } => ExecuteError::ResponseTooLarge { limit },
        CallError::Guest(error) if error.is::<PoolConcurrencyLimitError>() => ExecuteError::Busy,
        CallError::Guest(error) => match store.data().limits.refused() {
            Some(refused) => ExecuteError::Memory(refused),
            None => ExecuteError::Trap(error::describe_trap(&error)),
        },
    }
}

/// How long one tick of the epoch clock takes.
const TICK: Duration = Duration::from_millis(10);
