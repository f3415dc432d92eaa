//! `plugboard list`: what is published, and what of it is installed.

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::{self, InstallRow};
use super::output::{Output, byte_size, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::{ContentHash, ExtensionName, Signer, TargetWorld, Yank, offered_version};

/// Lists published and installed extensions
#[derive(Debug, clap::Args)]
#[command(long_about = "Lists published and installed extensions.

Examples:
  plugboard list
  plugboard list --json | jq '.installs[] | select(.enabled) | .name'")]
pub(super) struct ListArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What `GET /api/v1/extensions` answers.
#[derive(Debug, Deserialize)]
struct Versions {
    versions: Vec<VersionRow>,
}

/// A published version.
#[derive(Debug, Serialize, Deserialize)]
struct VersionRow {
    name: ExtensionName,
    version: Version,
    content_hash: ContentHash,
    size: u64,
    world: Option<TargetWorld>,
    signers: Vec<Signer>,
    published_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    yanked: Option<Yank>,
}

/// Runs `plugboard list`.
pub(super) async fn run(args: &ListArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let Versions { mut versions } = client.get("/api/v1/extensions").await?;
    let installs = installs::rows(&client).await?;
    versions.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
    let text = if versions.is_empty() {
        "Nothing is published yet.\n\
         Publish an extension:  plugboard publish FOLDER --key FILE --install --enable"
            .to_owned()
    } else {
        let rows: Vec<_> =
            versions.iter().map(|row| cells(row, &installs, context.output)).collect();
        table(&["NAME", "VERSION", "STATUS", "SIGNED BY", "SIZE", "PUBLISHED (UTC)"], &rows)
    };
    context.output.result(&json!({ "installs": installs, "versions": versions }), &text)?;
    Ok(Exit::Done)
}

fn cells(row: &VersionRow, installs: &[InstallRow], output: Output) -> Vec<String> {
    let installed = installs.iter().find(|found| {
        found.install.name == row.name && found.install.content_hash == row.content_hash
    });
    let status = match (installed, &row.yanked) {
        (Some(install), None) => installs::status(output, install),
        (Some(install), Some(_)) => format!("{}, yanked", installs::status(output, install)),
        (None, None) => "  published".to_owned(),
        (None, Some(_)) => "  yanked".to_owned(),
    };
    let signers: Vec<_> = row.signers.iter().map(|signer| signer.name.as_str()).collect();
    let signed_by = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
    let (name, version) = (row.name.to_string(), row.version.to_string());
    vec![name, version, status, signed_by, byte_size(row.size), time(row.published_at)]
}

/// What an install or upgrade without a version means.
pub(super) async fn offered(client: &Client, name: &ExtensionName) -> Result<Version, Failure> {
    let found: Versions = client.get(&format!("/api/v1/extensions/{name}")).await?;
    let offered = offered_version(found.versions, |row| (&row.version, row.yanked.is_some()));
    offered.map(|row| row.version).ok_or_else(|| {
        Failure::refused(anyhow::anyhow!("{name} has only pre-releases and yanked versions"))
            .hint(format!("name one, as {name}@1.0.0-beta.1"))
    })
}
