//! Compiling components, each in a process of its own.
//!
//! A compiler is a large program that reads what strangers wrote. In a process with
//! nothing to lose (`worker`), a component that is too much for it ends that process, and
//! nothing that it could be made to do reaches a file, a key or another tenant. What it
//! made is tried out in a second such process before it is loaded in this one.

pub(super) mod confine;
mod own_table;
mod process;
mod syscalls;
pub(super) mod worker;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

pub(super) use self::own_table::ARRANGEMENT;
use self::process::{End, Process};
use super::error::{Excess, PrepareError};
use super::precompiled::Code;
use super::worlds::describe;
use crate::config::RunnerConfig;
use crate::model::TargetWorld;

/// Bytes of address space of a trial: each memory reserves 4 GiB, and uses few of them.
const TRIAL_MEMORY_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// Seconds of a processor for a trial. Loading and instantiating takes a few milliseconds.
const TRIAL_CPU_S: u64 = 10;

/// Compiles components.
#[derive(Clone, Debug)]
pub(super) struct Compiler {
    /// This program, to run as `compile-worker`; without it components are compiled here.
    program: Option<PathBuf>,
    stack_bytes: usize,
    memory_bytes: u64,
    cpu_s: u64,
}

impl Compiler {
    pub(super) fn new(program: Option<PathBuf>, config: &RunnerConfig) -> Self {
        Self {
            program,
            stack_bytes: config.wasm_stack_bytes,
            memory_bytes: config.compile_memory_bytes,
            cpu_s: config.compile_cpu_s,
        }
    }

    /// The compiled form of a component, tried out. Takes seconds of a core for a large one:
    /// not for an async thread.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        world: TargetWorld,
        wasm: &Bytes,
    ) -> Result<Code, PrepareError> {
        let Some(program) = &self.program else {
            // Binary WebAssembly only: neither text nor anything compiled elsewhere.
            let component = compile_arranged(wasm, |wasm| Component::from_binary(engine, wasm));
            let code = component.and_then(|component| Code::of_component(&component));
            return code.map_err(|error| PrepareError::Compile(describe(&error)));
        };
        let process = |memory_bytes, cpu_s| Process {
            program,
            stack_bytes: self.stack_bytes,
            memory_bytes,
            cpu_s,
            // Others may have the processor half as long.
            wall: Duration::from_millis(cpu_s.saturating_mul(1_500)),
        };
        let code = process(self.memory_bytes, self.cpu_s).run(None, wasm.clone());
        let code = Bytes::from(code.map_err(|end| self.refusal(end))?);
        let trial = process(TRIAL_MEMORY_BYTES, TRIAL_CPU_S).run(Some(world), code.clone());
        match trial {
            Ok(_) => Ok(Code::of_compiler(code)),
            Err(End::Stopped(reason)) => Err(stopped(&reason)),
            // It spent no processor time to speak of: others had that.
            Err(end @ End::Wall(_)) => Err(stopped(&format!("its trial was cut off: {end}"))),
            Err(end) => Err(PrepareError::Compile(format!("what came out does not run: {end}"))),
        }
    }

    /// What a process that gave no code says of the component.
    fn refusal(&self, end: End) -> PrepareError {
        match end {
            End::Cpu => PrepareError::TooCostly(Excess::CpuSeconds(self.cpu_s)),
            End::Wall(wall) => PrepareError::TooCostly(Excess::Seconds(wall.as_secs())),
            End::Memory => PrepareError::TooCostly(Excess::MemoryMib(self.memory_bytes >> 20)),
            End::Refused(words) => PrepareError::Compile(words),
            End::Crashed(how) => PrepareError::Compile(format!("the compiler ended: {how}")),
            End::Stopped(reason) => stopped(&reason),
        }
    }
}

/// Has a component compiled with its table where it is filled, or as it is.
fn compile_arranged<C>(
    wasm: &[u8],
    compile: impl Fn(&[u8]) -> wasmtime::Result<C>,
) -> wasmtime::Result<C> {
    if let Some(arranged) = own_table::arranged(wasm) {
        match compile(&arranged) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => tracing::debug!("With its table moved it does not compile: {error:#}"),
        }
    }
    compile(wasm)
}

fn stopped(reason: &str) -> PrepareError {
    tracing::error!("A component was not compiled, which is no fault of its own: {reason}");
    PrepareError::Stopped
}
