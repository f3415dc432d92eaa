//! The command line: another door to the same use cases.

pub mod client;
pub mod failure;
mod local;
pub mod output;

use std::process::ExitCode;

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
