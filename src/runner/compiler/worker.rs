//! `plugboard compile-worker`: one piece of work, in a process that has nothing.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use landlock::RulesetError;
use tokio::time::timeout;
use wasmtime::{Engine, Store};

use super::super::host::Host;
use super::super::limits::StoreLimits;
use super::super::precompiled::Code;
use super::super::worlds::{Prepared, Worlds};
use super::super::{ExecutionContext, engine};
use super::compile_arranged;
use super::confine::{Confinement, give_up_rights, limit};
use crate::config::RunnerConfig;
use crate::model::{InstallId, InstallLabels, TargetWorld, TenantId};
use crate::traces::Trace;

/// How long a component may take to be instantiated before that counts as tried.
const TRIAL: Duration = Duration::from_secs(1);

/// What a worker is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub task: Task,
    /// `runner.wasm_stack_bytes` of the appliance that asks.
    pub stack_bytes: usize,
    /// Bytes of address space.
    pub memory_bytes: u64,
    /// Seconds of a processor.
    pub cpu_s: u64,
}

/// The two things that a worker can do.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// A component in, its compiled form out.
    Compile,
    /// A compiled form in, nothing out: proves that it loads, and that its instantiation
    /// ends no process.
    TryOut(TargetWorld),
}

/// Why nothing was done, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("the compiler could not give up its rights: {0}")]
    Confine(#[from] RulesetError),
    #[error("the compiler kept its rights, and does nothing with them: {0}")]
    Unconfined(&'static str),
    #[error("the compiler could not be limited: {0}")]
    Limit(#[from] rustix::io::Errno),
    #[error("the compiler could not read or write: {0}")]
    Io(#[from] io::Error),
    #[error("{0:#}")]
    Component(wasmtime::Error),
}

/// Works on standard input, without any right.
pub fn run(work: &Work) -> Result<(), WorkerError> {
    limit(work.memory_bytes, work.cpu_s)?;
    require(give_up_rights()?)?;
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input)?;
    let engine = engine::for_compiling(work.stack_bytes).map_err(WorkerError::Component)?;
    match work.task {
        Task::Compile => {
            let code = compile_arranged(&input, |wasm| engine.precompile_component(wasm));
            let code = code.map_err(WorkerError::Component)?;
            let mut out = io::stdout().lock();
            out.write_all(&code)?;
            Ok(out.flush()?)
        }
        Task::TryOut(world) => try_out(&engine, world, input),
    }
}

/// Refuses to go on behind no fence at all.
fn require(confinement: Confinement) -> Result<(), WorkerError> {
    match confinement.missing() {
        Some(missing) if !confinement.is_enough() => Err(WorkerError::Unconfined(missing)),
        Some(_) | None => Ok(()),
    }
}

fn try_out(engine: &Engine, world: TargetWorld, code: Vec<u8>) -> Result<(), WorkerError> {
    let component = Code::of_compiler(code).load(engine).map_err(WorkerError::Component)?;
    let worlds = Worlds::new(engine).map_err(WorkerError::Component)?;
    // Whoever asked links it, too, and says what is wrong.
    let Ok(prepared) = worlds.prepare(engine, world, &component) else { return Ok(()) };
    instantiate(engine, &prepared)
}

/// A guest that fails, or does not come to an end, fails at its calls: it is no sign of
/// broken code.
fn instantiate(engine: &Engine, prepared: &Prepared) -> Result<(), WorkerError> {
    let mut store = Store::new(engine, host());
    store.limiter(|host| &mut host.limits);
    store.set_epoch_deadline(1);
    let clock = engine.clone();
    thread::Builder::new().spawn(move || {
        thread::sleep(TRIAL);
        clock.increment_epoch();
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let outcome =
        runtime.block_on(async { timeout(TRIAL, prepared.instantiate(&mut store)).await });
    tracing::debug!("Instantiated: {outcome:?}");
    Ok(())
}

/// A host for nobody, that grants nothing.
fn host() -> Host {
    let name = "plugboard.compile-worker".parse().expect("it is a name");
    let version = semver::Version::new(0, 0, 0);
    let labels = InstallLabels::of(TenantId::default_tenant(), name, InstallId::random(), &version);
    let (install, trace) = (Arc::new(labels), Trace::default());
    let context = ExecutionContext { request_id: "trial".into(), install, trace };
    let limits = StoreLimits::new(&RunnerConfig::default()).per_call();
    Host::new(context, Arc::new(BTreeSet::new()), None, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_kept_its_rights_does_nothing() {
        let error = require(Confinement { landlock: false, filter: false }).unwrap_err();

        assert!(error.to_string().contains("enforces neither Landlock nor a filter"), "{error}");
        assert!(require(Confinement { landlock: false, filter: true }).is_ok());
    }
}
