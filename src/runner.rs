//! Runs extensions: one bounded execution of a component per request.
//!
//! `Runner` keeps one engine, compiles each component once and gives every
//! execution a fresh store, so that nothing a guest did outlives its request.
//! Which world a component lives in is known to `worlds` alone. The module
//! holds no store, no key and no session: an [`Invocation`] brings all that one
//! execution may know, a [`GuestResponse`] is all that comes back.

mod bindings;
mod component_cache;
mod engine;
mod error;
mod host;
mod invocation;
mod limits;
mod response;
mod slots;
mod worlds;

pub use error::{ExecuteError, PrepareError, RunnerError};
pub use invocation::{ExecutionContext, GuestRequest, Invocation, UserIdentity};
pub use limits::Refused;
pub use response::{GuestResponse, Usage};

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};

use self::component_cache::ComponentCache;
use self::engine::Ticker;
use self::error::CallError;
use self::host::Host;
use self::limits::StoreLimits;
use self::slots::Slots;
use self::worlds::Worlds;
use crate::config::RunnerConfig;
use crate::model::{ContentHash, TargetWorld};

/// Executes components. One per process; share it in an `Arc`.
pub struct Runner {
    engine: Engine,
    worlds: Arc<Worlds>,
    components: ComponentCache,
    slots: Slots,
    limits: StoreLimits,
    _ticker: Ticker,
}

impl Runner {
    /// Reserves the pools and starts the clock that interrupts busy guests.
    pub fn new(config: &RunnerConfig) -> Result<Self, RunnerError> {
        let engine = engine::build(config)?;
        let worlds = Arc::new(Worlds::new(&engine).map_err(RunnerError::Link)?);
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            worlds,
            components: ComponentCache::new(config.compile_threads),
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
        let (engine, worlds) = (self.engine.clone(), Arc::clone(&self.worlds));
        let prepare = move || worlds.prepare(&engine, world, &wasm);
        self.components.prepare(hash, prepare).await
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
