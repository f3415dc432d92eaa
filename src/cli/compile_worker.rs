//! `plugboard compile-worker`: what a server starts to compile one component.

use super::failure::{Exit, Failure};
use crate::model::TargetWorld;
use crate::runner::{Task, Work, WorkerError, work_for_another_process};

/// Compiles a component from standard input to standard output, for a server
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    long_about = "Compiles a component from standard input to standard output, for a server, which starts \
it by itself. It gives up its rights first: it opens no file and reaches no address.

Examples:
  plugboard compile-worker < dist/main.wasm > main.cwasm
  plugboard compile-worker --try-out alga:extension/runner --memory-bytes 68719476736 < main.cwasm"
)]
pub(super) struct CompileWorkerArgs {
    /// The setting `runner.wasm_stack_bytes` of the server
    #[arg(long, default_value_t = 512 * 1024)]
    stack_bytes: usize,
    /// Bytes of address space
    #[arg(long, default_value_t = 2 * 1024 * 1024 * 1024)]
    memory_bytes: u64,
    /// Seconds of a processor
    #[arg(long, default_value_t = 60)]
    cpu_s: u64,
    /// Loads a compiled component and instantiates it in this world, in place of compiling
    #[arg(long, value_name = "WORLD")]
    try_out: Option<TargetWorld>,
}

/// Runs `plugboard compile-worker`. What is wrong with a component is one line on
/// standard error.
pub(super) fn run(args: &CompileWorkerArgs) -> Result<Exit, Failure> {
    let task = args.try_out.map_or(Task::Compile, Task::TryOut);
    let CompileWorkerArgs { stack_bytes, memory_bytes, cpu_s, .. } = *args;
    let done = work_for_another_process(&Work { task, stack_bytes, memory_bytes, cpu_s });
    done.map(|()| Exit::Done).map_err(|error| match error {
        WorkerError::Component(_) => Failure::refused(anyhow::Error::new(error)),
        WorkerError::Confine(_)
        | WorkerError::Unconfined(_)
        | WorkerError::Limit(_)
        | WorkerError::Io(_) => Failure::unfinished(anyhow::Error::new(error)),
    })
}
