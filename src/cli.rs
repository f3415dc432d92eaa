//! The command line: another door to the same use cases.

pub mod client;
mod demo;
pub mod failure;
mod local;
pub mod output;
pub mod serve;
mod settings_args;
mod sign;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;
use failure::{Exit, Failure};
use output::Output;

/// The extension appliance: verify, store, install and run signed extensions.
#[derive(Debug, Parser)]
#[command(name = "plugboard", version, propagate_version = true)]
struct Arguments {
    /// Print one JSON object, for machines
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = Environment::read();
    let output = Output::new(arguments.json, environment.no_color());
    let exit = match run(arguments.command, environment, output) {
        Ok(exit) => exit,
        Err(failure) => {
            output.note(&failure.text());
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn run(command: Command, environment: Environment, output: Output) -> Result<Exit, Failure> {
    // Our own choice of two that are compiled in; a second call changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(args, environment, output).await?,
            Command::Demo(args) => demo::run(args, environment, output).await?,
        }
        Ok(Exit::Done)
    })
}
