//! `plugboard enable`

use super::Context;
use super::failure::{Exit, Failure};
use super::installs;
use super::remote::{Offline, RemoteArgs};

/// Enables an installed extension
#[derive(Debug, clap::Args)]
#[command(long_about = "Enables an installed extension; ends when its component is ready to run.

Examples:
  plugboard enable com.example.hello")]
pub(super) struct EnableArgs {
    /// The extension's name, or the id of its install
    name: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard enable`.
pub(super) async fn run(args: &EnableArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    installs::switch_by_name(&client, &args.name, true, context.output).await
}
