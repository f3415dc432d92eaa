//! `plugboard uploads`: bundles that are on their way in parts.

use std::time::Duration;

use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use reqwest::Body;
use serde::{Deserialize, Serialize};

use super::Context;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::installs::outcome;
use super::output::{Output, byte_size, table, time};
use super::remote::{Offline, RemoteArgs};
use super::trust::only_one;
use crate::model::{ContentHash, UploadId};

/// How often to ask for an upload that is being changed.
const TRIES: u32 = 10;
/// Between two of these.
const PAUSE: Duration = Duration::from_millis(300);

/// Lists and gives up unfinished uploads
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Lists and gives up uploads: bundles that arrive in parts. You see your own. \
`plugboard publish` goes on with one that was cut off; what is left behind expires after a day.

Examples:
  plugboard uploads list
  plugboard uploads abort 3f0c6c1e"
)]
pub(super) struct UploadsArgs {
    #[command(subcommand)]
    command: UploadsCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum UploadsCommand {
    /// Lists your uploads
    #[command(long_about = "Lists your uploads, with how far each is.

Examples:
  plugboard uploads list")]
    List,
    /// Gives an upload up
    #[command(long_about = "Gives an upload up: what has arrived of it is removed.

Examples:
  plugboard uploads abort 3f0c6c1e")]
    Abort {
        /// The id, or its first 8 digits or more
        id: String,
    },
}

/// An upload as the appliance tells it.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    id: UploadId,
    filename: String,
    length: u64,
    offset: u64,
    declared_hash: Option<ContentHash>,
    created_at: Timestamp,
    expires_at: Timestamp,
    finished: bool,
    to_store: bool,
}

/// What `GET /api/v1/uploads` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Uploads {
    uploads: Vec<Upload>,
}

/// Runs `plugboard uploads`.
pub(super) async fn run(args: UploadsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = args.remote.client(context, Offline::Refuse)?;
    let found: Uploads = client.get("/api/v1/uploads").await?;
    match args.command {
        UploadsCommand::List => context.output.result(&found, &list(&found.uploads))?,
        UploadsCommand::Abort { id } => {
            let upload = only_one(&found.uploads, &id, |upload| upload.id.to_string())
                .map_err(|failure| failure.hint("`plugboard uploads list` shows what is there"))?;
            abort(&client, upload, context.output).await?;
        }
    }
    Ok(Exit::Done)
}

async fn abort(client: &Client, upload: &Upload, output: Output) -> Result<(), Failure> {
    let path = format!("/api/v1/uploads/{}", upload.id);
    let headers = [("tus-resumable", "1.0.0".to_owned())];
    let mut tries = TRIES;
    loop {
        let request = client.send_streamed::<()>(Method::DELETE, &path, &headers, Body::default());
        match request.await {
            // The part that was on its way is about to end.
            Err(failure) if failure.has_code("upload_busy") && tries > 1 => {
                tries -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            other => break other?,
        }
    }
    let text = format!("Gave up the upload of {}", named(upload));
    Ok(output.result(&outcome("aborted", "id", upload.id), &text)?)
}

fn named(upload: &Upload) -> &str {
    if upload.filename.is_empty() { "a bundle" } else { &upload.filename }
}

fn list(uploads: &[Upload]) -> String {
    if uploads.is_empty() {
        return "You have no uploads.".to_owned();
    }
    let cells = |upload: &Upload| {
        let state = match upload {
            Upload { finished: true, .. } => "published or quarantined",
            Upload { to_store: true, .. } => "unfinished, sent to the store",
            Upload { .. } => "unfinished",
        };
        vec![
            upload.id.to_string().chars().take(8).collect(),
            named(upload).to_owned(),
            format!("{} of {}", byte_size(upload.offset), byte_size(upload.length)),
            state.to_owned(),
            time(upload.expires_at),
        ]
    };
    let rows: Vec<_> = uploads.iter().map(cells).collect();
    table(&["ID", "FILE", "ARRIVED", "STATE", "EXPIRES (UTC)"], &rows)
}
