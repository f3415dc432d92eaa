//! `plugboard secret`: what extensions are given in confidence.

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::ask::secret_value;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::{self, outcome};
use super::output::{Output, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::{Install, SecretFacts, SecretName};

/// Sets, lists and removes the secrets of an extension
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Sets, lists and removes what an extension is given in confidence: a key of a service \
it calls, a password. The appliance keeps it sealed and shows it to nobody but the extension.

Examples:
  plugboard secret set com.example.hello api_key < key.txt
  plugboard secret list com.example.hello
  plugboard secret remove com.example.hello api_key"
)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Sets a secret, or replaces it
    #[command(
        long_about = "Sets a secret, or replaces it. The value is asked for; where standard input is no terminal, \
it is read from there. It is never an argument, which others on this machine could see. It \
is text of at most 16 KiB; a line end at its end is left out.

With --host the extension never reads it: the appliance writes it into a header of calls to \
that host, where the extension asks for it. A secret keeps its hosts when only its value is \
replaced.

Examples:
  plugboard secret set com.example.hello api_key
  pass show example/api | plugboard secret set com.example.hello api_key
  plugboard secret set com.example.hello api_key --host api.example.com
  plugboard secret set com.example.hello api_key --host api.example.com --header X-Api-Key
  plugboard secret set com.example.hello tls.key --file client.key --expires 2027-01-31"
    )]
    Set(SetArgs),
    /// Lists names and dates; values are shown to nobody
    #[command(long_about = "Lists names and dates. Values are shown to nobody.

Examples:
  plugboard secret list com.example.hello")]
    List {
        /// The extension's name, or the id of its install
        extension: String,
    },
    /// Removes a secret, at once
    #[command(long_about = "Removes a secret: the extension is told that there is no such one.

Examples:
  plugboard secret remove com.example.hello api_key")]
    Remove {
        /// The extension's name, or the id of its install
        extension: String,
        /// What the extension calls it
        key: SecretName,
    },
    /// Makes a new master key; the secrets stay
    #[command(
        long_about = "Makes a new master key and seals with it what the secrets are sealed with, in one step \
while the appliance runs. The old key is forgotten: a backup of the data folder from before \
needs the `master.key` of then. Works on the host only.

Examples:
  plugboard secret rotate-keys"
    )]
    RotateKeys,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The extension's name, or the id of its install
    extension: String,
    /// What the extension calls it
    key: SecretName,
    /// A file with the value; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A host that it goes to with calls, as api.example.com; the extension does not read it.
    /// Repeatable
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// In which header, with `{secret}` in it [default: authorization: Bearer {secret}]
    #[arg(long, value_name = "HEADER", requires = "hosts")]
    header: Option<String>,
    /// Let the extension read it, though the value before was bound to hosts
    #[arg(long, conflicts_with = "hosts")]
    readable: bool,
    /// A date, from which on (UTC) the extension is told that it is expired; or a time
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
}

/// What `GET /api/v1/installs/{id}/secrets` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Secrets {
    secrets: Vec<SecretRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecretRow {
    #[serde(flatten)]
    facts: SecretFacts,
    expired: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rotated {
    key_id: String,
    data_keys: usize,
}

/// Runs `plugboard secret`.
pub(super) async fn run(args: SecretArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    // What is wrong with the command is known before anybody is asked for a secret.
    let expires = match &args.command {
        SecretCommand::Set(args) => args.expires.as_deref(),
        SecretCommand::List { .. } | SecretCommand::Remove { .. } | SecretCommand::RotateKeys => {
            None
        }
    };
    let expires_at = expires.map(SecretFacts::read_expiry).transpose().map_err(Failure::usage)?;
    let client = args.remote.client(context, Offline::OpenRegistry)?;
    match args.command {
        SecretCommand::Set(args) => set(&client, args, expires_at, output).await?,
        SecretCommand::List { extension } => {
            let install = installs::require(&client, &extension).await?;
            let found: Secrets = client.get(&path_of(&install)).await?;
            output.result(&found, &show(&install, &found.secrets))?;
        }
        SecretCommand::Remove { extension, key } => {
            let install = installs::require(&client, &extension).await?;
            let path = format!("{}/{key}", path_of(&install));
            client.call::<()>(Method::DELETE, &path, None).await?;
            let text = format!("Removed the secret {key} of {}", install.name);
            output.result(&outcome("removed", "name", &key), &text)?;
        }
        SecretCommand::RotateKeys => {
            let done = client.call(Method::POST, "/api/v1/master-key/rotate", None).await;
            let done: Rotated = done.map_err(Failure::for_the_host)?;
            let key_id = &done.key_id;
            let sealed = match done.data_keys {
                1 => "1 data key is".to_owned(),
                count => format!("{count} data keys are"),
            };
            let text = format!(
                "The master key is a new one, {key_id}; {sealed} sealed with it\n\
                 Back it up:  a backup without `master.key` has no secrets"
            );
            output.result(&done, &text)?;
        }
    }
    Ok(Exit::Done)
}

async fn set(
    client: &Client,
    args: SetArgs,
    expires_at: Option<Timestamp>,
    output: Output,
) -> Result<(), Failure> {
    let SetArgs { extension, key, file, hosts, header, readable, expires: _ } = args;
    let install = installs::require(client, &extension).await?;
    let value: SecretString = secret_value(output, file).await?;
    let path = format!("{}/{key}", path_of(&install));
    let hosts = (readable || !hosts.is_empty()).then_some(hosts);
    let body = json!({
        "value": value.expose_secret(),
        "expires_at": expires_at,
        "hosts": hosts,
        "header": header,
    });
    let row: SecretRow = client.call(Method::PUT, &path, Some(body)).await?;
    let until = row.facts.expires_at;
    let until = until.map(|at| format!(", until {} UTC", time(at))).unwrap_or_default();
    let goes = row.facts.binding.as_ref();
    let goes = goes.map(|binding| format!("\nIt {binding}")).unwrap_or_default();
    output.result(&row, &format!("Set the secret {key} of {}{until}{goes}", install.name))?;
    Ok(())
}

fn path_of(install: &Install) -> String {
    format!("/api/v1/installs/{}/secrets", install.id)
}

fn show(install: &Install, secrets: &[SecretRow]) -> String {
    let name = &install.name;
    if secrets.is_empty() {
        return format!("{name} has no secret.\nSet one:  plugboard secret set {name} KEY");
    }
    let cells = |row: &SecretRow| {
        let SecretFacts { name, version, set_at, set_by, expires_at, binding, .. } = &row.facts;
        let expires = expires_at.map_or_else(|| "never".to_owned(), time);
        let expires = if row.expired { format!("{expires}, expired") } else { expires };
        let hosts = binding.as_ref().map_or_else(
            || "the extension reads it".to_owned(),
            |binding| binding.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        );
        let name = name.to_string();
        vec![name, version.to_string(), time(*set_at), expires, set_by.clone(), hosts]
    };
    let rows: Vec<_> = secrets.iter().map(cells).collect();
    table(&["NAME", "VERSION", "SET (UTC)", "EXPIRES (UTC)", "SET BY", "GOES TO"], &rows)
}
