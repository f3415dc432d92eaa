//! Runs extensions: one bounded execution of a component per request.
//!
//! `Runner` keeps one engine, compiles each component once and gives every
//! execution a fresh store, so that nothing a guest did outlives its request.
//! Which world a component lives in is known to `worlds` alone. The module
//! holds no store, no key and no session: an [`Invocation`] brings all that one
//! execution may know, a [`GuestResponse`] is all that comes back.

mod bindings;
mod component_cache;
mod cpu_account;
mod ending;
mod engine;
mod error;
mod execution;
mod executors;
mod guest_stream;
mod host;
mod invocation;
mod limits;
mod precompiled;
mod reply;
mod request_body;
mod response;
mod slots;
mod timekeeper;
mod worlds;

pub use ending::{Ended, Observer, Outcome};
pub use error::{ExecuteError, PrepareError, RunnerError};
pub use guest_stream::GuestStream;
pub use invocation::{ExecutionContext, GuestRequest, Invocation, StreamLimits, UserIdentity};
pub use limits::Refused;
pub use precompiled::{CompiledFolder, ComponentCounts};
pub use request_body::{RequestBody, Upload};
pub use response::{GuestBody, GuestResponse, Usage};

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use wasmtime::{Engine, Store, UpdateDeadline, bail};

use self::component_cache::{ComponentCache, Work};
use self::engine::Ticker;
use self::execution::{AnswerLimits, Execution};
use self::executors::Executors;
use self::host::Host;
use self::limits::StoreLimits;
use self::precompiled::Precompiled;
use self::slots::Slots;
use self::timekeeper::Timekeeper;
use self::worlds::Worlds;
use crate::config::RunnerConfig;
use crate::model::{ContentHash, FileDigest, StreamHasher, TargetWorld};

/// Executes components. One per process; share it in an `Arc`.
pub struct Runner {
    engine: Engine,
    worlds: Arc<Worlds>,
    components: ComponentCache,
    /// What is kept of them on disk.
    precompiled: Option<Arc<Precompiled>>,
    compiled: Arc<AtomicU64>,
    slots: Slots,
    limits: StoreLimits,
    executors: Executors,
    cpu_limit: Duration,
    ticker: Arc<Ticker>,
}

impl Runner {
    /// Reserves the pools and starts the threads of guests and the clock that interrupts busy
    /// ones. Without a folder each component is compiled once per process.
    pub fn new(config: &RunnerConfig, folder: Option<CompiledFolder>) -> Result<Self, RunnerError> {
        let engine = engine::build(config)?;
        let worlds = Arc::new(Worlds::new(&engine).map_err(RunnerError::Link)?);
        let precompiled = folder.map(|folder| Precompiled::open(folder, &engine)).transpose();
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            worlds,
            components: ComponentCache::new(config.compile_threads),
            precompiled: precompiled.map_err(RunnerError::Folder)?.map(Arc::new),
            compiled: Arc::default(),
            slots: Slots::new(config),
            limits: StoreLimits::new(config),
            executors: Executors::start(config.threads)?,
            cpu_limit: Duration::from_millis(config.cpu_ms),
            engine,
            ticker: Arc::new(ticker),
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
            let (precompiled, compiled) = (self.precompiled.clone(), Arc::clone(&self.compiled));
            let wasm = wasm.clone();
            let compile = move || {
                let component = worlds::compile(&engine, &wasm)?;
                compiled.fetch_add(1, Relaxed);
                let prepared = worlds.prepare(&engine, world, &component)?;
                if let Some(precompiled) = precompiled {
                    precompiled.keep(&StreamHasher::digest(&wasm).into(), &component);
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
        let Invocation { content_hash, world, context, request, mut observer, .. } = invocation;
        let component = self.components.get(&content_hash).filter(|found| found.world() == world);
        let component = component.ok_or(ExecuteError::NotPrepared)?;
        let slot = self.slots.acquire(&context.install).await;
        let slot = slot.map_err(|error| observer.refuse(error))?;

        let limits = AnswerLimits {
            started: Instant::now(),
            deadline: invocation.deadline,
            stream: invocation.stream,
            max_bytes: invocation.max_response_bytes,
            sent: AtomicU64::new(0),
        };
        let time = Arc::new(Timekeeper::new(self.cpu_limit));
        let charge = slot.charge(&time);
        let host = Host::new(context, invocation.grants, invocation.user, self.limits.per_call());
        let host = host.observed(observer).timed(&time);
        let store = self.store(host, limits::hostcall_fuel(world, limits.max_bytes), &time);
        let ticker = Arc::clone(&self.ticker);
        let execution = Execution { component, store, time, limits, charge, slot, ticker };
        execution.answer(request, &self.executors).await
    }

    /// A fresh store: a guest never meets what an earlier one left.
    fn store(&self, host: Host, hostcall_fuel: usize, time: &Arc<Timekeeper>) -> Store<Host> {
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.limits);
        store.set_hostcall_fuel(hostcall_fuel);
        store.set_max_component_handles(limits::HANDLES);
        let time = Arc::clone(time);
        // A busy guest gives its thread back at every tick. `yield_now` lets
        // the timer run first: without it a loop on a single thread
        // would be found out many ticks after its deadline.
        store.epoch_deadline_callback(move |_| {
            if time.check() {
                bail!("it has had {} ms of a processor", time.cpu_limit().as_millis());
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// How long one tick of the epoch clock takes.
const TICK: Duration = Duration::from_millis(10);
