//! Runs extensions: one bounded execution of a component per request.
//!
//! `Runner` keeps one engine, compiles each component once and gives every
//! execution a fresh store, so that nothing a guest did outlives its request.
//! Which world a component lives in is known to `worlds` alone. The module
//! knows no session, no registry and no bundle. It holds the key that compiled code is
//! sealed with and the ways out that [`RunnerParts`] has, by which an execution reaches what is
//! its install's or granted to it. An [`Invocation`] brings all else that it may know, a
//! [`GuestResponse`] is all that comes back.

mod bindings;
mod compiler;
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
pub use request_body::{RequestBody, Upload};
pub use response::{GuestBody, GuestResponse, KeptSlot, Usage};
pub use standing::SlotCounts;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::{Engine, Store, UpdateDeadline, bail};

use self::compiler::Compiler;
use self::component_cache::ComponentCache;
use self::engine::Ticker;
use self::execution::{AnswerLimits, Execution};
use self::executors::Executors;
use self::host::Host;
use self::limits::StoreLimits;
use self::memory_gaps::GapFiller;
use self::precompiled::Precompiled;
use self::slots::Slots;
use self::timekeeper::{AtTick, Timekeeper};
use self::worlds::Worlds;
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
            components: ComponentCache::new(config.compile_threads),
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
    pub async fn execute(&self, invocation: Invocation) -> Result<GuestResponse, ExecuteError> {
        let Invocation { content_hash, world, context, request, observer, .. } = invocation;
        let in_line = ending::InLine::new(observer);
        let component = self.components.get(&content_hash).filter(|found| found.world() == world);
        let Some(component) = component else {
            return Err(in_line.refuse(ExecuteError::NotPrepared));
        };
        let waiting = context.trace.part(|| Span::new(Kind::Internal, "queue"));
        let slot = self.slots.acquire(&context.install).await;
        let slot = match slot {
            Ok(slot) => slot,
            Err(error) => {
                context.trace.note(|span| ending::note_refusal(span, &error));
                return Err(in_line.refuse(error));
            }
        };
        if !slot.was_waited_for() {
            waiting.forget();
        }

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
        let host = host.observed(in_line.begin()).timed(&time).at_rate(slot.lines());
        let host = host.logged_in(self.guest_logs.clone(), content_hash);
        let host = host.keeping_in(self.state.clone()).confiding(invocation.secrets);
        let host = host.calling(self.egress.as_ref(), invocation.allowance);
        let host = host.configured(invocation.settings).asking(self.callbacks.clone());
        let store = self.store(host, limits::hostcall_fuel(world, limits.max_bytes), &time);
        let ticker = Arc::clone(&self.ticker);
        let execution = Execution { component, store, time, limits, charge, slot, ticker };
        execution.answer(request, &self.executors).await
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

    /// A fresh store: a guest never meets what an earlier one left.
    fn store(&self, host: Host, hostcall_fuel: usize, time: &Arc<Timekeeper>) -> Store<Host> {
        let mut store = Store::new(&self.engine, host);
        if !limits::ENFORCED {
            return store;
        }
        store.limiter(|host| &mut host.limits);
        store.set_hostcall_fuel(hostcall_fuel);
        store.set_max_component_handles(limits::HANDLES);
        let time = Arc::clone(time);
        // `yield_now` lets the timer run first: without it a loop on a single thread
        // would be found out many ticks after its deadline.
        store.epoch_deadline_callback(move |_| match time.at_tick() {
            AtTick::GoOn => Ok(UpdateDeadline::Continue(1)),
            AtTick::GiveBack => {
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
            }
            AtTick::End => {
                bail!("it has had {} ms of a processor", time.cpu_limit().as_millis())
            }
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// How long one tick of the epoch clock takes.
const TICK: Duration = Duration::from_millis(10);
/// How long a turn of an execution takes that holds its thread up: some ten times what a whole
/// execution usually has.
const LONG_TURN: Duration = Duration::from_millis(2);
