//! `plugboard upgrade`

use http::Method;
use semver::Version;
use serde_json::json;

use super::Context;
use super::client::Client;
use super::exact_version::parse_version;
use super::failure::{Exit, Failure};
use super::grants::{GrantArgs, change_version, look_up_missing};
use super::remote::{Offline, RemoteArgs};
use super::{installs, list};
use crate::model::{Capability, ExtensionVersion, Install};

/// Moves an install to another version, or back
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Moves an install to another published version, or back to the one before. Settings \
stay. Grants stay as far as the new version asks for them; more of them need a yes.

Examples:
  plugboard upgrade com.example.hello
  plugboard upgrade com.example.hello --version 1.4.0 --grant cap:http.fetch --yes
  plugboard upgrade com.example.hello --back"
)]
pub(super) struct UpgradeArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// The version to move to [default: the highest]
    #[arg(long, value_parser = parse_version)]
    version: Option<Version>,
    #[command(flatten)]
    grants: GrantArgs,
    /// A capability to take away; repeatable
    #[arg(long = "revoke", value_name = "CAPABILITY")]
    revoked: Vec<Capability>,
    /// Restore the version, with its grants, that the last upgrade replaced
    #[arg(long, conflicts_with_all = ["version", "grants", "grant_all", "revoked"])]
    back: bool,
    /// Agree that it may do more than before
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `plugboard upgrade`.
pub(super) async fn run(args: UpgradeArgs, context: &Context) -> Result<Exit, Failure> {
    check_revoked(&args.revoked)?;
    let client = args.remote.client(context, Offline::Refuse)?;
    let before = installs::require(&client, &args.name).await?;
    let install = if args.back {
        let path = format!("/api/v1/installs/{}/version", before.id);
        client.call(Method::PUT, &path, Some(json!({ "back": true }))).await?
    } else {
        upgrade(&client, &args, &before, context).await?
    };
    let Install { name, version: now, .. } = &install;
    let then = &before.version;
    let text = match (then == now, before.grants == install.grants) {
        (true, true) => format!("{name} is at {now}; nothing changed"),
        (true, false) => format!("{name} {now} has other grants now"),
        (false, _) => {
            format!("{name} moved from {then} to {now}\nGo back:  plugboard upgrade {name} --back")
        }
    };
    context.output.result(&install, &text)?;
    look_up_missing(&client, context.output, &install).await;
    Ok(Exit::Done)
}

/// What every install has does not come from its grants: without it there, it has it still.
fn check_revoked(revoked: &[Capability]) -> Result<(), Failure> {
    match revoked.iter().find(|capability| Capability::DEFAULTS.contains(capability)) {
        Some(kept) => {
            Err(Failure::usage(format!("every install has {kept}; it cannot be taken away")))
        }
        None => Ok(()),
    }
}

async fn upgrade(
    client: &Client,
    args: &UpgradeArgs,
    before: &Install,
    context: &Context,
) -> Result<Install, Failure> {
    let UpgradeArgs { grants, revoked, yes, .. } = args;
    let version = match &args.version {
        Some(version) => version.clone(),
        None => list::offered(client, &before.name).await?,
    };
    let wanted = if grants.is_empty() && revoked.is_empty() {
        None
    } else {
        let path = format!("/api/v1/extensions/{}/versions/{version}", before.name);
        let found: ExtensionVersion = client.get(&path).await?;
        let mut wanted = grants.wanted(&found, &before.grants);
        wanted.retain(|capability| !revoked.contains(capability));
        Some(wanted)
    };
    change_version(client, before, &version, wanted.as_ref(), (context.output, *yes)).await
}
