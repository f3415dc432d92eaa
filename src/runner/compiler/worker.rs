//! `plugboard compile-worker`: one compilation, in a process that has nothing.

use std::io::{self, Read, Write};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    Scope,
};
use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::super::engine;

/// Bytes of memory, also of what is only reserved.
pub(in super::super) const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Seconds of a processor.
pub(in super::super) const CPU_S: u64 = 60;
/// How much others come before it.
const NICE: i32 = 10;
/// The newest rules this program knows. An older kernel keeps those that it knows.
const RULES: ABI = ABI::V6;

/// Why nothing was compiled, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("the compiler could not give up its rights: {0}")]
    Confine(#[from] RulesetError),
    #[error("the compiler could not be limited: {0}")]
    Limit(#[from] rustix::io::Errno),
    #[error("the compiler could not read or write: {0}")]
    Io(#[from] io::Error),
    #[error("{0:#}")]
    Compile(wasmtime::Error),
}

/// Reads a component from standard input and writes its compiled form to standard output.
///
/// `stack_bytes` is `runner.wasm_stack_bytes` of the appliance that asks.
pub fn run(stack_bytes: usize) -> Result<(), WorkerError> {
    confine()?;
    let mut wasm = Vec::new();
    io::stdin().lock().read_to_end(&mut wasm)?;
    let engine = engine::for_compiling(stack_bytes).map_err(WorkerError::Compile)?;
    let code = engine.precompile_component(&wasm).map_err(WorkerError::Compile)?;
    let mut out = io::stdout().lock();
    out.write_all(&code)?;
    Ok(out.flush()?)
}

/// Gives up every right that compiling does not need, for the rest of the process.
pub fn confine() -> Result<(), WorkerError> {
    let at_most = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, at_most(MEMORY_BYTES))?;
    setrlimit(Resource::Cpu, at_most(CPU_S))?;
    setrlimit(Resource::Core, at_most(0))?;
    setrlimit(Resource::Fsize, at_most(0))?;
    // Only makes others faster.
    nice(NICE).ok();
    // No rule is added: no file can be opened and no address reached.
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?
        .restrict_self()?;
    Ok(())
}
