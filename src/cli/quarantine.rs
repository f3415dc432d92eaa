//! `plugboard quarantine`: bundles that wait for a person's decision.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::ask::confirm;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::files::read_small;
use super::installs::outcome;
use super::output::{Output, byte_size, checks, table, time};
use super::publish::PublishAnswer;
use super::reason::reason;
use super::remote::{Offline, RemoteArgs};
use super::trust::only_one;
use crate::model::Quarantined;
use crate::trust::Report;

/// Decides about quarantined bundles
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Decides about quarantined bundles: well formed, and signed by nobody who is trusted. \
They are kept, never served, never run, and deleted when they expire.

Examples:
  plugboard quarantine list
  plugboard quarantine show 9f2c1a77
  plugboard quarantine attach 9f2c1a77 hello.dsse.json
  plugboard quarantine approve 9f2c1a77 --reason 'reviewed by Ada, ticket 812'"
)]
pub(super) struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// Lists what waits for a decision
    #[command(long_about = "Lists what waits for a decision.

Examples:
  plugboard quarantine list")]
    List,
    /// Shows the report of one bundle
    #[command(long_about = "Shows why a bundle is quarantined, and what can be done.

Examples:
  plugboard quarantine show 9f2c1a77")]
    Show(Which),
    /// Accepts exactly this bundle, with a reason
    #[command(
        long_about = "Accepts exactly this content hash as a named exception. The reason is kept in \
the audit trail and with the version.

Examples:
  plugboard quarantine approve 9f2c1a77 --reason 'reviewed by Ada, ticket 812'"
    )]
    Approve {
        #[command(flatten)]
        which: Which,
        /// Why this bundle may run although nobody trusted signed it
        #[arg(long, value_parser = reason)]
        reason: String,
    },
    /// Attaches a signature and verifies again
    #[command(
        long_about = "Attaches a signature and verifies again. After `plugboard trust add` the \
signature that was sent with the bundle will do.

Examples:
  plugboard quarantine attach 9f2c1a77 hello.tar.zst.dsse.json"
    )]
    Attach {
        #[command(flatten)]
        which: Which,
        /// A signature that `plugboard sign` wrote
        signature: PathBuf,
    },
    /// Throws a bundle away
    #[command(long_about = "Throws a quarantined bundle away.

Examples:
  plugboard quarantine delete 9f2c1a77 --yes")]
    Delete {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The content hash, or its first digits
    hash: String,
}

/// What `GET /api/v1/quarantine` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    quarantined: Vec<Quarantined>,
}

/// Runs `plugboard quarantine`.
pub(super) async fn run(args: QuarantineArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    let client = args.remote.client(context, Offline::Refuse)?;
    match args.command {
        QuarantineCommand::List => {
            let found: Waiting = client.get("/api/v1/quarantine").await?;
            output.result(&found, &list(&found.quarantined))?;
        }
        QuarantineCommand::Show(which) => {
            let row = find(&client, &which).await?;
            let report: Report = serde_json::from_value(row.report.clone())
                .context("the report is not what was expected")?;
            output.result(&row, &checks(&report, output.paint()))?;
        }
        QuarantineCommand::Approve { which, reason } => {
            let path = path_of(&client, &which, "/approve").await?;
            let body = json!({ "reason": reason });
            return settle(&client.call(Method::POST, &path, Some(body)).await?, output);
        }
        QuarantineCommand::Attach { which, signature } => {
            let envelope = read_small(&signature)?;
            let path = path_of(&client, &which, "/signatures").await?;
            let kind = "application/json";
            let sent = client.send_bytes(Method::POST, &path, kind, Some(envelope.into()));
            return settle(&sent.await?, output);
        }
        QuarantineCommand::Delete { which, yes } => delete(&client, &which, yes, output).await?,
    }
    Ok(Exit::Done)
}

async fn find(client: &Client, which: &Which) -> Result<Quarantined, Failure> {
    let Waiting { quarantined } = client.get("/api/v1/quarantine").await?;
    let row = only_one(&quarantined, &which.hash, |row| row.content_hash.to_string())
        .map_err(|failure| failure.hint("`plugboard quarantine list` shows what is there"))?;
    Ok(row.clone())
}

async fn path_of(client: &Client, which: &Which, rest: &str) -> Result<String, Failure> {
    let hash = find(client, which).await?.content_hash;
    Ok(format!("/api/v1/quarantine/{hash}{rest}"))
}

/// The bundle is published now, or still waits.
fn settle(answer: &PublishAnswer, output: Output) -> Result<Exit, Failure> {
    let PublishAnswer { name, version, report, .. } = answer;
    let text = if answer.exit() == Exit::Quarantined {
        checks(report, output.paint())
    } else {
        format!("Published {name} {version}\nInstall it:  plugboard install {name}@{version}")
    };
    output.result(answer, &text)?;
    Ok(answer.exit())
}

async fn delete(client: &Client, which: &Which, yes: bool, output: Output) -> Result<(), Failure> {
    let row = find(client, which).await?;
    let Quarantined { name, version, content_hash, .. } = &row;
    let question = format!("Deleting the quarantined {name} {version} cannot be undone");
    confirm(output, yes, &question).await?;
    let path = format!("/api/v1/quarantine/{content_hash}");
    client.call::<()>(Method::DELETE, &path, None).await?;
    let text = format!("Deleted the quarantined {name} {version}");
    Ok(output.result(&outcome("deleted", "content_hash", content_hash), &text)?)
}

fn list(rows: &[Quarantined]) -> String {
    if rows.is_empty() {
        return "Nothing is quarantined.".to_owned();
    }
    let cells = |row: &Quarantined| {
        vec![
            row.content_hash.hex().chars().take(12).collect(),
            row.name.to_string(),
            row.version.to_string(),
            byte_size(row.size),
            time(row.expires_at),
            why(row),
        ]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    table(&["HASH", "NAME", "VERSION", "SIZE", "EXPIRES (UTC)", "WHY"], &rows)
}

/// The check that nobody trusted helped it past.
fn why(row: &Quarantined) -> String {
    let report: Option<Report> = serde_json::from_value(row.report.clone()).ok();
    let failed = report.as_ref().and_then(|report| report.failures().next());
    failed.map(|row| in_words(&row.code).unwrap_or(&row.code).to_owned()).unwrap_or_default()
}

/// The codes that a quarantined bundle can have; `show` has the whole report.
fn in_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "unsigned" => "nobody signed it",
        "unknown_signer" => "nobody trusts its signer",
        "signer_unavailable" => "the key of its signer is not known",
        "threshold_not_met" => "too few trusted signers",
        "key_out_of_scope" => "its signer may not sign this name",
        "key_retired" => "the key of its signer is retired",
        "key_revoked" => "the key of its signer is revoked",
        "key_expired" => "the key of its signer has expired",
        "key_not_yet_valid" => "the key of its signer is not valid yet",
        "content_revoked" => "the trust bundle revokes it",
        "version_below_minimum" => "the trust bundle wants a higher version",
        "trust_bundle_unusable" => "the trust bundle cannot be used",
        _ => return None,
    })
}
