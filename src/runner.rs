//! Runs extensions: one bounded execution of a component per request.
//!
//! `Runner` keeps one engine, compiles each component once and gives every
//! execution a fresh store, so that nothing a guest did outlives its request.
//! Which world a component lives in is known to `worlds` alone. The module
//! knows no session, no registry and no bundle. It holds the key that compiled code is
//! sealed with and the ways out that [`RunnerParts`] has, by which an execution reaches what is
//! its install's or granted to it. An [`Invocation`] brings all else that it may know, a
//! [`GuestResponse`] is all that comes back.

mod beginning;
mod bindings;
mod compiler;
mod component_cache;
mod counted_store;
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
mod line_rate;
mod memory_gaps;
mod pace;
mod pagemap;
mod precompiled;
mod preparing;
mod reply;
mod request_body;
mod response;
mod slots;
mod standing;
mod thread_clock;
mod timekeeper;
mod worlds;

pub use compiler::confine::{Confinement, confinement, give_up_rights};
pub use compiler::worker::{Task, Work, WorkerError, run as work_for_another_process};
pub use ending::{Ended, Observer, Outcome};
pub use error::{Excess, ExecuteError, PrepareError, RunnerError};
pub use executors::{thread_waits, thread_wakes};
pub use guest_stream::GuestStream;
pub use invocation::{ExecutionContext, GuestRequest, Invocation, StreamLimits, UserIdentity};
pub use limits::Refused;
pub use precompiled::{CompiledFolder, ComponentCounts};
pub use preparing::HeldComponent;
pub use request_body::{RequestBody, Upload};
pub use response::{GuestBody, GuestResponse, KeptSlot, Usage};
pub use standing::SlotCounts;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use wasmtime::Engine;

use self::compiler::Compiler;
use self::component_cache::ComponentCache;
use self::engine::Ticker;
use self::executors::Executors;
use self::limits::StoreLimits;
use self::memory_gaps::GapFiller;
use self::precompiled::Precompiled;
use self::slots::Slots;
use self::worlds::{Prepared, Worlds};
use crate::callbacks::Callbacks;
use crate::config::RunnerConfig;
use crate::egress::Egress;
use crate::guest_logs::GuestLogs;
use crate::model::InstallLabels;
use crate::state::State;
use crate::traces::{Kind, Span};

/// What a runner has beside its settings.
#[derive(Default)]
pub struct RunnerParts {
    /// Where compiled components are kept. Without it each is compiled once per process.
    pub folder: Option<CompiledFolder>,
    /// This program: components are compiled by its `compile-worker`, with limits. Without
    /// it they are compiled in this process, and without any.
    pub compiler: Option<PathBuf>,
    /// What extensions keep. Without it every call of `storage` is refused.
    pub state: Option<State>,
    /// Where the lines of extensions are kept. Without it they go to the log of the
    /// appliance only.
    pub guest_logs: Option<GuestLogs>,
    /// The way out. Without it every call of a guest is refused.
    pub egress: Option<Egress>,
    /// The way to the operator's own application. Without it there is none to ask.
    pub callbacks: Option<Callbacks>,
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
    executors: Executors,
    cpu_limit: Duration,
    state: Option<State>,
    guest_logs: Option<GuestLogs>,
    egress: Option<Egress>,
    callbacks: Option<Callbacks>,
    ticker: Arc<Ticker>,
    _gap_filler: Option<GapFiller>,
}

impl Runner {
    /// Reserves the pools and starts the threads of guests and the clock that interrupts busy
    /// ones.
    pub fn new(config: &RunnerConfig, parts: RunnerParts) -> Result<Self, RunnerError> {
        if !limits::ENFORCED {
            tracing::warn!("This program was built without limits, to measure what they cost");
        }
        let RunnerParts { folder, compiler, state, guest_logs, egress, callbacks } = parts;
        let engine = engine::build(config)?;
        let worlds = Arc::new(Worlds::new(&engine).map_err(RunnerError::Link)?);
        let precompiled = folder.map(|folder| Precompiled::open(folder, &engine)).transpose();
        let executors = Executors::start(config.threads)?;
        let ticker = Ticker::start(&engine, executors.at_tick())?;
        let gap_filler = pagemap::is_exact().then(GapFiller::start).transpose()?;
        Ok(Self {
            worlds,
            components: ComponentCache::new(config.compile_threads, Prepared::code_bytes),
            precompiled: precompiled.map_err(RunnerError::Folder)?.map(Arc::new),
            compiler: Compiler::new(compiler, config),
            compiled: Arc::default(),
            slots: Slots::new(config),
            limits: StoreLimits::new(config),
            executors,
            cpu_limit: Duration::from_millis(config.cpu_ms),
            state,
            guest_logs,
            egress,
            callbacks,
            engine,
            ticker: Arc::new(ticker),
            _gap_filler: gap_filler,
        })
    }

    /// Runs the component of `invocation` on its request.
    pub fn execute(
        &self,
        invocation: Invocation,
    ) -> impl Future<Output = Result<GuestResponse, ExecuteError>> + Send {
        // A future keeps what it is given twice, and is copied whole before it begins.
        let invocation = Box::new(invocation);
        self.run(invocation)
    }

    async fn run(&self, mut invocation: Box<Invocation>) -> Result<GuestResponse, ExecuteError> {
        let in_line = ending::InLine::new(std::mem::take(&mut invocation.observer));
        let (hash, world) = (&invocation.content_hash, invocation.world);
        let component = self.components.get(hash).filter(|found| found.world() == world);
        let Some(component) = component else {
            return Err(in_line.refuse(ExecuteError::NotPrepared));
        };
        let waiting = invocation.context.trace.part(|| Span::new(Kind::Internal, "queue"));
        let slot = match self.slots.acquire(&invocation.context.install).await {
            Ok(slot) => slot,
            Err(error) => {
                invocation.context.trace.note(|span| ending::note_refusal(span, &error));
                return Err(in_line.refuse(error));
            }
        };
        if slot.was_waited_for() {
            drop(waiting);
        } else {
            waiting.forget();
        }
        self.begin(invocation, component, slot, in_line).answered().await
    }

    /// An answer that is given again: a long one has a slot as it had the first time.
    pub async fn with_slot(
        &self,
        install: &InstallLabels,
        response: GuestResponse,
    ) -> Result<GuestResponse, ExecuteError> {
        if !response.is_long() {
            return Ok(response);
        }
        Ok(response.holding(self.slots.acquire(install).await?))
    }
}

/// How long one tick of the epoch clock takes.
const TICK: Duration = Duration::from_millis(10);
/// How long a turn of an execution takes that holds its thread up: some ten times what a whole
/// execution usually has.
const LONG_TURN: Duration = Duration::from_millis(2);
