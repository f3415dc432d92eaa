//! The `plugboard` program: parse, run, exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes some three hundred small allocations; the system's allocator
/// takes three times as long for them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    plugboard::cli::main()
}
