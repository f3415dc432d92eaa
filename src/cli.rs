//! The command line: another door to the same use cases.
//!
//! One file per command. `remote` decides how a command reaches the appliance,
//! and `client` speaks to it: over HTTP, over the admin socket, or, with no
//! server running, to the same routes in this process. `output` is the only
//! file that prints; `failure` is how a command ends badly.

mod ask;
mod audit;
pub mod client;
mod compile_worker;
mod completions;
mod config;
mod configure;
mod demo;
mod disable;
mod doctor;
mod egress;
mod enable;
mod exact_version;
pub mod failure;
mod files;
mod grants;
mod install;
mod installs;
mod interrupt;
mod keygen;
mod learning;
mod list;
mod local;
mod logs;
mod operator;
pub mod output;
mod pack;
mod publish;
mod quarantine;
mod reason;
mod remote;
mod remove;
mod secret;
pub mod serve;
mod settings_args;
mod sign;
mod state;
mod tenant;
mod token;
mod trust;
mod uninstall;
mod unyank;
mod upgrade;
mod uploads;
mod verify;
mod yank;

use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;
use std::{io, thread};

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::allocator::take_small_pages;
use crate::config::Environment;
use crate::runner;
use failure::{Exit, Failure};
use output::Output;

/// The extension appliance: verify, store, install and run signed extensions.
#[derive(Debug, Parser)]
#[command(
    name = "plugboard",
    version,
    max_term_width = 100,
    long_about = "The extension appliance: verify, store, install and run signed extensions.

Examples:
  plugboard demo                       see it work, with a sample extension
  plugboard serve                      run the appliance
  plugboard publish my-extension --key my.key --install --enable
  plugboard list                       what is published and installed

Commands that change an appliance find it by --url (or PLUGBOARD_URL) and a token; without a \
token they use the admin socket in the data folder on this host.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 quarantined (a person must decide), 4 could not \
reach or finish (safe to repeat), 130 interrupted."
)]
struct Arguments {
    /// Print one JSON object on standard output, for machines
    #[arg(long, global = true, display_order = 900)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Keygen(keygen::KeygenArgs),
    Pack(pack::PackArgs),
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
    Publish(Box<publish::PublishArgs>),
    List(list::ListArgs),
    Install(install::InstallArgs),
    Enable(enable::EnableArgs),
    Disable(disable::DisableArgs),
    Configure(configure::ConfigureArgs),
    Egress(egress::EgressArgs),
    Logs(logs::LogsArgs),
    Upgrade(upgrade::UpgradeArgs),
    Uninstall(uninstall::UninstallArgs),
    Yank(yank::YankArgs),
    Unyank(unyank::UnyankArgs),
    Remove(remove::RemoveArgs),
    Quarantine(quarantine::QuarantineArgs),
    State(state::StateArgs),
    Uploads(uploads::UploadsArgs),
    Trust(trust::TrustArgs),
    Operator(operator::OperatorArgs),
    Token(token::TokenArgs),
    Secret(secret::SecretArgs),
    Tenant(tenant::TenantArgs),
    Audit(Box<audit::AuditArgs>),
    Config(config::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    CompileWorker(compile_worker::CompileWorkerArgs),
}

/// What every command is given.
#[derive(Clone, Debug)]
struct Context {
    environment: Environment,
    output: Output,
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    take_small_pages();
    let environment = Environment::read();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&for_people(error), &environment),
    };
    let output = Output::new(arguments.json, environment.no_color());
    let exit = match run(arguments.command, &Context { environment, output }) {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// Where a command is missing all are named, also the one that only a server calls.
fn for_people(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(mut names)) = error.remove(ContextKind::ValidSubcommand) {
        names.retain(|name| name != "compile-worker");
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(names));
    }
    error
}

/// Help that was asked for, or what is wrong with the call.
fn not_understood(error: &clap::Error, environment: &Environment) -> ExitCode {
    // A closed pipe is no reason for another ending.
    error.print().ok();
    // Nothing was parsed: the word is looked for where a flag can stand.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if error.use_stderr() {
        Output::new(json, environment.no_color()).failure_object(&Failure::from(error));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    // It gives up all its rights, and a runtime has some.
    if let Command::CompileWorker(args) = command {
        return compile_worker::run(&args);
    }
    // Our own choice of two that are compiled in; a second call changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        // These end in their own way when they are told to.
        if matches!(command, Command::Serve(_) | Command::Demo(_) | Command::Pack(_)) {
            dispatch(command, context).await
        } else {
            interrupt::or_interrupted(Box::pin(dispatch(command, context))).await
        }
    });
    // Not longer: a thread may wait for an answer on a terminal.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

/// A thread for each core: of several, another looks after the sockets while an execution begins
/// on one of them.
fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores)
        .on_thread_park(runner::thread_waits)
        .on_thread_unpark(runner::thread_wakes)
        .enable_all()
        .build()
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Keygen(args) => keygen::run(&args, context),
        Command::Pack(args) => pack::run(args, context).await,
        Command::Sign(args) => sign::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::Publish(args) => publish::run(*args, context).await,
        Command::List(args) => list::run(&args, context).await,
        Command::Install(args) => install::run(args, context).await,
        Command::Enable(args) => enable::run(&args, context).await,
        Command::Disable(args) => disable::run(&args, context).await,
        Command::Configure(args) => configure::run(args, context).await,
        Command::Egress(args) => egress::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Upgrade(args) => upgrade::run(args, context).await,
        Command::Uninstall(args) => uninstall::run(&args, context).await,
        Command::Yank(args) => yank::run(&args, context).await,
        Command::Unyank(args) => unyank::run(&args, context).await,
        Command::Remove(args) => remove::run(&args, context).await,
        Command::Quarantine(args) => quarantine::run(args, context).await,
        Command::State(args) => state::run(args, context).await,
        Command::Uploads(args) => uploads::run(args, context).await,
        Command::Trust(args) => trust::run(args, context).await,
        Command::Operator(args) => operator::run(args, context).await,
        Command::Token(args) => token::run(args, context).await,
        Command::Secret(args) => secret::run(args, context).await,
        Command::Tenant(args) => tenant::run(args, context).await,
        Command::Audit(args) => audit::run(*args, context).await,
        Command::Config(args) => config::run(&args, context),
        Command::Doctor(args) => doctor::run(args, context).await,
        Command::Completions(args) => completions::run(&args, context),
        Command::CompileWorker(args) => compile_worker::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_long_help() {
        fn check(command: &clap::Command) {
            let help = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(help.contains("Examples:\n  plugboard "), "{name}: {help}");
            assert!(command.get_about().is_some(), "{name}");
            command.get_subcommands().filter(|each| each.get_name() != "help").for_each(check);
        }
        check(&Arguments::command());
    }
}
