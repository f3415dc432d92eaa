//! `plugboard yank`

use http::Method;
use serde_json::json;

use super::Context;
use super::exact_version::ExactVersion;
use super::failure::{Exit, Failure};
use super::reason::reason;
use super::remote::{Offline, RemoteArgs};
use crate::model::Yank;

/// Forbids new installs of a published version
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Forbids new installs of a published version and upgrades to it. Where it is \
installed it goes on, and `plugboard unyank` takes it back.

Examples:
  plugboard yank com.example.hello@1.4.0
  plugboard yank com.example.hello@1.4.0 --reason 'loses reports, take 1.4.1'"
)]
pub(super) struct YankArgs {
    /// The extension and its version
    #[arg(value_name = "NAME@VERSION")]
    what: ExactVersion,
    /// Why, for whoever is refused
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard yank`.
pub(super) async fn run(args: &YankArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let body = json!({ "reason": args.reason });
    let path = format!("{}/yank", args.what.path());
    let yank: Yank = client.call(Method::POST, &path, Some(body)).await?;
    let ExactVersion { name, version } = &args.what;
    let text = format!(
        "{name} {version} is yanked: nobody new can install it\n\
         Take it back:  plugboard unyank {name}@{version}"
    );
    context.output.result(&yank, &text)?;
    Ok(Exit::Done)
}
