//! `plugboard trust`: whose signatures count.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::outcome;
use super::output::{Output, table};
use super::remote::{Offline, RemoteArgs};
use super::verify::read_public_key;
use crate::model::{KeyStatus, NameGlob, TrustedKey};

/// Adds, removes and lists trusted keys
#[derive(Debug, clap::Args)]
#[command(long_about = "Adds, removes and lists the keys whose signatures count. Keys of \
SIGNING_TRUST_BUNDLE are listed, too, and changed there.

Examples:
  plugboard trust add acme.pub --scope 'com.acme.*'
  plugboard trust list
  plugboard trust remove 4f1a2b3c")]
pub(super) struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Trusts a key for some extension names
    #[command(
        long_about = "Trusts a key for some extension names. The same key again replaces its name and \
scopes.

Examples:
  plugboard trust add acme.pub --scope 'com.acme.*'
  plugboard trust add mine.pub --name \"Ada's key\" --scope com.example.hello --scope 'net.ada.*'"
    )]
    Add(AddArgs),
    /// Stops trusting a key
    #[command(long_about = "Stops trusting a key. What it signed and is published stays published.

Examples:
  plugboard trust remove 4f1a2b3c
  plugboard trust remove sha256:4f1a2b3c…")]
    Remove {
        /// The id, or its first digits
        key: String,
    },
    /// Lists the keys whose signatures count
    #[command(long_about = "Lists the keys whose signatures count.

Examples:
  plugboard trust list
  plugboard trust list --json | jq -r '.keys[].id'")]
    List,
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The public key, as `plugboard keygen` wrote it
    #[arg(value_name = "FILE.pub")]
    file: PathBuf,
    /// Whose key it is [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// Extension names it may sign: a name, prefix.* or *; repeatable
    #[arg(long = "scope", value_name = "NAMES", required = true)]
    scopes: Vec<NameGlob>,
}

/// What `GET /api/v1/trust/keys` answers.
#[derive(Debug, Serialize, Deserialize)]
struct TrustedKeys {
    keys: Vec<TrustedKey>,
}

/// Runs `plugboard trust`.
pub(super) async fn run(args: TrustArgs, context: &Context) -> Result<Exit, Failure> {
    let output = context.output;
    match args.command {
        TrustCommand::Add(add_args) => {
            let (_, public_key) = read_public_key(&add_args.file)?;
            let client = args.remote.client(context, Offline::OpenRegistry)?;
            add(&client, add_args, &public_key, output).await?;
        }
        TrustCommand::Remove { key } => {
            let client = args.remote.client(context, Offline::OpenRegistry)?;
            remove(&client, &key, output).await?;
        }
        TrustCommand::List => {
            let client = args.remote.client(context, Offline::OpenRegistry)?;
            let found: TrustedKeys = client.get("/api/v1/trust/keys").await?;
            output.result(&found, &show(&found.keys))?;
        }
    }
    Ok(Exit::Done)
}

async fn add(
    client: &Client,
    args: AddArgs,
    public_key: &str,
    output: Output,
) -> Result<(), Failure> {
    let AddArgs { file, name, scopes } = args;
    let stem = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = name.unwrap_or_else(stem);
    let body = json!({ "public_key": public_key, "name": name, "scopes": scopes });
    let key: TrustedKey = client.call(Method::POST, "/api/v1/trust/keys", Some(body)).await?;
    let text = format!("Trusts {} for {}\n  {}", key.name, list(&key.scopes), key.id);
    Ok(output.result(&key, &text)?)
}

async fn remove(client: &Client, asked: &str, output: Output) -> Result<(), Failure> {
    let TrustedKeys { keys } = client.get("/api/v1/trust/keys").await?;
    let key = only_one(&keys, asked, |key| key.id.to_string())
        .map_err(|failure| failure.hint("`plugboard trust list` shows what is there"))?;
    let path = format!("/api/v1/trust/keys/{}", key.id);
    client.call::<()>(Method::DELETE, &path, None).await?;
    let text = format!("{} ({}) is no longer trusted", key.name, key.id.short());
    Ok(output.result(&outcome("removed", "id", &key.id), &text)?)
}

/// The one thing whose id or content hash is `asked` or begins with it, with `sha256:` or without.
pub(super) fn only_one<'a, T>(
    things: &'a [T],
    asked: &str,
    id: impl Fn(&T) -> String,
) -> Result<&'a T, Failure> {
    let digits = asked.strip_prefix("sha256:").unwrap_or(asked).trim_end_matches('…');
    if digits.len() < 8 {
        return Err(Failure::usage(format!("{asked} is too short: give 8 digits or more")));
    }
    let fits = |thing: &&T| {
        let id = id(thing);
        id.strip_prefix("sha256:").unwrap_or(&id).starts_with(digits)
    };
    let found: Vec<_> = things.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::refused(anyhow!("nothing here begins with {asked}"))),
        _ => Err(Failure::usage(format!("several here begin with {asked}: give more digits"))),
    }
}

fn show(keys: &[TrustedKey]) -> String {
    if keys.is_empty() {
        return "No key is trusted yet: every bundle is quarantined.\n\
                Trust one:  plugboard trust add FILE.pub --scope 'com.example.*'"
            .to_owned();
    }
    let cells = |key: &TrustedKey| {
        let status = match key.status {
            KeyStatus::Active => "active",
            KeyStatus::Retired => "retired",
            KeyStatus::Revoked => "revoked",
        };
        let (id, name) = (key.id.short().to_owned(), key.name.clone());
        vec![id, name, status.to_owned(), list(&key.scopes), key.added_by.clone()]
    };
    let rows: Vec<_> = keys.iter().map(cells).collect();
    table(&["KEY", "NAME", "STATUS", "MAY SIGN", "ADDED BY"], &rows)
}

fn list(scopes: &[NameGlob]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_cut_as_long_as_one_thing_has_it() {
        let ids = ["sha256:aaaaaaaa11", "sha256:aaaaaaaa22", "sha256:bbbbbbbb33", "dddddddd-4444"]
            .map(str::to_owned);
        let find = |asked| only_one(&ids, asked, String::clone);

        assert_eq!(find("bbbbbbbb").unwrap(), "sha256:bbbbbbbb33");
        assert_eq!(find("sha256:aaaaaaaa2").unwrap(), "sha256:aaaaaaaa22");
        assert_eq!(find("dddddddd-4").unwrap(), "dddddddd-4444");
        assert_eq!(find("aaaaaaaa").unwrap_err().exit, Exit::Usage);
        assert_eq!(find("bbbb").unwrap_err().exit, Exit::Usage);
        let none = find("cccccccc").unwrap_err();
        assert_eq!(none.exit, Exit::Refused);
        assert_eq!(none.text(), "nothing here begins with cccccccc");
    }
}
