//! `plugboard remove`

use http::Method;
use serde_json::json;

use super::Context;
use super::ask::confirm;
use super::exact_version::ExactVersion;
use super::failure::{Exit, Failure};
use super::remote::{Offline, RemoteArgs};
use crate::model::Tombstone;

/// Removes a published version, for good
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Removes a published version that is installed nowhere. Its bundle is deleted after \
24 hours, and its number is never used again. To only forbid new installs, yank it.

Examples:
  plugboard remove com.example.hello@1.4.0
  plugboard remove com.example.hello@1.4.0 --yes"
)]
pub(super) struct RemoveArgs {
    /// The extension and its version
    #[arg(value_name = "NAME@VERSION")]
    what: ExactVersion,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard remove`.
pub(super) async fn run(args: &RemoveArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let ExactVersion { name, version } = &args.what;
    let question = format!(
        "Removing {name} {version} deletes its bundle after 24 hours; {version} can never be \
         published again"
    );
    confirm(context.output, args.yes, &question).await?;
    let removed: Tombstone = client.call(Method::DELETE, &args.what.path(), None).await?;
    let object = json!({
        "outcome": "removed",
        "name": removed.name,
        "version": removed.version,
        "content_hash": removed.content_hash,
        "removed_at": removed.removed_at,
    });
    let text = format!("Removed {name} {version}\n  {}", removed.content_hash);
    context.output.result(&object, &text)?;
    Ok(Exit::Done)
}
