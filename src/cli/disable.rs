//! `plugboard disable`

use super::Context;
use super::failure::{Exit, Failure};
use super::installs;
use super::remote::{Offline, RemoteArgs};

/// Disables an installed extension
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Disables an installed extension: its pages and endpoints are no longer there. It \
keeps its settings and grants.

Examples:
  plugboard disable com.example.hello"
)]
pub(super) struct DisableArgs {
    /// The extension's name, or the id of its install
    name: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard disable`.
pub(super) async fn run(args: &DisableArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    installs::switch_by_name(&client, &args.name, false, context.output).await
}
