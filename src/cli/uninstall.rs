//! `plugboard uninstall`

use http::Method;
use serde_json::json;

use super::Context;
use super::ask::confirm;
use super::failure::{Exit, Failure};
use super::installs;
use super::remote::{Offline, RemoteArgs};
use crate::model::Install;

/// Removes an install
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Removes an install with its grants, settings, log lines and secrets. Its bundle stays \
published. What it keeps can be exported for some days (`state.kept_days`), then it is removed, too.

Examples:
  plugboard uninstall com.example.hello
  plugboard uninstall com.example.hello --yes
  plugboard uninstall com.example.hello --purge"
)]
pub(super) struct UninstallArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Remove what it keeps, too, at once
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard uninstall`.
pub(super) async fn run(args: &UninstallArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let install = installs::require(&client, &args.name).await?;
    let Install { id, name, version, .. } = &install;
    let (what, query) = if args.purge {
        ("its grants, settings, log lines and secrets, and all that it keeps", "?purge=true")
    } else {
        ("its grants, settings, log lines and secrets", "")
    };
    let question = format!("Uninstalling {name} {version} removes {what}, for good");
    confirm(context.output, args.yes, &question).await?;
    client.call::<()>(Method::DELETE, &format!("/api/v1/installs/{id}{query}"), None).await?;
    let object = json!({ "outcome": "uninstalled", "id": id, "name": name, "version": version });
    let text = format!(
        "{name} {version} is uninstalled; it stays published\n\
         Install it again:  plugboard install {name}@{version}"
    );
    context.output.result(&object, &text)?;
    Ok(Exit::Done)
}
