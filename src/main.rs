//! The `plugboard` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugboard::cli::main()
}
