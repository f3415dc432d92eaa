//! `plugboard unyank`

use http::Method;
use serde_json::json;

use super::Context;
use super::exact_version::ExactVersion;
use super::failure::{Exit, Failure};
use super::remote::{Offline, RemoteArgs};

/// Allows new installs of a yanked version again
#[derive(Debug, clap::Args)]
#[command(long_about = "Allows new installs of a yanked version again.

Examples:
  plugboard unyank com.example.hello@1.4.0")]
pub(super) struct UnyankArgs {
    /// The extension and its version
    #[arg(value_name = "NAME@VERSION")]
    what: ExactVersion,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard unyank`.
pub(super) async fn run(args: &UnyankArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let path = format!("{}/unyank", args.what.path());
    client.call::<()>(Method::POST, &path, None).await?;
    let ExactVersion { name, version } = &args.what;
    let object = json!({ "outcome": "unyanked", "name": name, "version": version });
    context.output.result(&object, &format!("{name} {version} can be installed again"))?;
    Ok(Exit::Done)
}
