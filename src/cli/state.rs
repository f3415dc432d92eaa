//! `plugboard state`: what extensions keep.

mod finding;
mod importing;

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::finding::find;
use self::importing::ImportArgs;
use super::Context;
use super::ask::confirm;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::files::{Existing, NewFile, is_standard};
use super::output::{Output, byte_size, table, time};
use super::remote::{Offline, RemoteArgs};
use crate::model::{ExtensionName, Install, InstallId};

/// Lists, exports, imports and purges what extensions keep
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Lists, exports, imports and purges what extensions keep. It belongs to one install; what an \
uninstalled extension kept is there for some days (`state.kept_days`), and an extension that is \
installed again begins with nothing.

Examples:
  plugboard state list
  plugboard state export com.example.hello --out hello.jsonl
  plugboard state import com.example.hello hello.jsonl
  plugboard state purge com.example.hello"
)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Lists how much each install keeps
    #[command(long_about = "Lists how much each install keeps, also those that are uninstalled.

Examples:
  plugboard state list")]
    List,
    /// Writes all that an install keeps, one JSON object a line
    #[command(
        long_about = "Writes all that an install keeps, one JSON object a line: `namespace`, \
`key`, `revision`, `created_at`, `updated_at`, perhaps `expires_at`, and `value_base64`. What is \
written meanwhile may be in it or not.

Examples:
  plugboard state export com.example.hello --out hello.jsonl
  plugboard state export com.example.hello | jq -r .key"
    )]
    Export {
        /// The extension's name, or the id of its install
        name: String,
        /// Write to this file, which must not exist; - is standard output
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Import(ImportArgs),
    /// Removes all that an install keeps, for good
    #[command(long_about = "Removes all that an install keeps, for good. The extension stays \
installed, and finds nothing.

Examples:
  plugboard state purge com.example.hello
  plugboard state purge 6f1e4a3c-0d55-4c39-9d0e-2f4b8a1c7e90 --yes")]
    Purge {
        /// The extension's name, or the id of its install
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What is kept of one install.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptRow {
    install: InstallId,
    extension: ExtensionName,
    namespaces: u64,
    keys: u64,
    bytes: u64,
    uninstalled_at: Option<Timestamp>,
    removed_at: Option<Timestamp>,
}

/// What `GET /api/v1/state` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    state: Vec<KeptRow>,
    max_namespaces: u64,
    max_keys: u64,
    max_bytes: u64,
}

/// What a purge removed.
#[derive(Debug, Deserialize)]
struct Purged {
    keys: u64,
    bytes: u64,
}

impl KeptRow {
    /// Of an install that keeps nothing.
    fn empty(install: &Install) -> Self {
        Self {
            install: install.id,
            extension: install.name.clone(),
            namespaces: 0,
            keys: 0,
            bytes: 0,
            uninstalled_at: None,
            removed_at: None,
        }
    }

    fn path(&self) -> String {
        format!("/api/v1/installs/{}/state", self.install)
    }

    /// The extension, and that this is not the install that is there.
    fn title(&self) -> String {
        let Self { extension, install, .. } = self;
        match self.uninstalled_at {
            None => extension.to_string(),
            Some(_) => format!("the uninstalled {extension} ({install})"),
        }
    }
}

/// Runs `plugboard state`.
pub(super) async fn run(args: StateArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    match args.command {
        StateCommand::List => {
            let kept: Kept = client.get("/api/v1/state").await?;
            context.output.result(&kept, &list(&kept))?;
        }
        StateCommand::Export { name, out } => {
            let row = find(&client, &name, context.output).await?;
            let out = out.filter(|out| !is_standard(out));
            export(&client, &row, out, context.output).await?;
        }
        StateCommand::Import(args) => importing::run(&client, args, context).await?,
        StateCommand::Purge { name, yes } => {
            let row = find(&client, &name, context.output).await?;
            purge(&client, &row, yes, context.output).await?;
        }
    }
    Ok(Exit::Done)
}

async fn export(
    client: &Client,
    row: &KeptRow,
    out: Option<PathBuf>,
    output: Output,
) -> Result<(), Failure> {
    let Some(out) = out else {
        return client.download(&row.path(), &mut output.stream()).await;
    };
    let file = NewFile::begin(&out, Existing::Keep)?;
    client.download(&row.path(), &mut file.file()).await?;
    file.finish()?;
    let object = json!({
        "file": out,
        "install": row.install,
        "extension": row.extension,
        "uninstalled_at": row.uninstalled_at,
        "keys": row.keys,
    });
    let text = format!("What {} keeps is in {}", row.title(), out.display());
    Ok(output.result(&object, &text)?)
}

async fn purge(client: &Client, row: &KeptRow, yes: bool, output: Output) -> Result<(), Failure> {
    let title = row.title();
    let (count, size) = (values(row.keys), byte_size(row.bytes));
    let question = format!("This removes {count} of {title}, {size}, for good");
    confirm(output, yes, &question).await?;
    let Purged { keys, bytes } = client.call(Method::DELETE, &row.path(), None).await?;
    let object = json!({
        "outcome": "purged",
        "install": row.install,
        "extension": row.extension,
        "uninstalled_at": row.uninstalled_at,
        "keys": keys,
        "bytes": bytes,
    });
    let text = format!("Removed {} of {title}, {}", values(keys), byte_size(bytes));
    Ok(output.result(&object, &text)?)
}

fn values(count: u64) -> String {
    if count == 1 { "1 value".to_owned() } else { format!("{count} values") }
}

fn list(kept: &Kept) -> String {
    if kept.state.is_empty() {
        return "No extension of yours keeps anything.".to_owned();
    }
    let cells = |row: &KeptRow| {
        let standing = match row.removed_at {
            Some(at) => format!("uninstalled, to be removed {}", time(at)),
            None => "installed".to_owned(),
        };
        vec![
            row.extension.to_string(),
            row.install.to_string(),
            row.keys.to_string(),
            byte_size(row.bytes),
            format!("{}%", row.bytes.saturating_mul(100) / kept.max_bytes.max(1)),
            standing,
        ]
    };
    let head = ["NAME", "INSTALL", "VALUES", "SIZE", "OF QUOTA", "STATUS (UTC)"];
    table(&head, &kept.state.iter().map(cells).collect::<Vec<_>>())
}
