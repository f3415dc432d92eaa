//! `plugboard compile-worker`: what a server starts to compile one component.

use super::failure::{Exit, Failure};
use crate::runner::compile_for_another_process;

/// Compiles a component from standard input to standard output, for a server
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    long_about = "Compiles a component from standard input to standard output, for a server, which starts \
it by itself. It gives up its rights first: it opens no file and reaches no address.

Examples:
  plugboard compile-worker --stack-bytes 524288 < dist/main.wasm > main.cwasm"
)]
pub(super) struct CompileWorkerArgs {
    /// The setting `runner.wasm_stack_bytes` of the server
    #[arg(long)]
    stack_bytes: usize,
}

/// Runs `plugboard compile-worker`. What is wrong with a component is one line on
/// standard error.
pub(super) fn run(args: &CompileWorkerArgs) -> Result<Exit, Failure> {
    compile_for_another_process(args.stack_bytes)
        .map(|()| Exit::Done)
        .map_err(|error| Failure::refused(anyhow::Error::new(error)))
}
