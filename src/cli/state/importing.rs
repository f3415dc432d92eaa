//! `plugboard state import`: what an export wrote, put back.

use std::path::PathBuf;

use reqwest::Body;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::io::ReaderStream;

use crate::cli::Context;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::files::{cannot_read, check_regular, is_standard};
use crate::cli::installs;
use crate::model::Install;

/// Puts back what an export wrote
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts back what an export wrote, one JSON object a line, in its order. The \
extension has to be installed. A file is tried first and written only if every line of it is good; \
from standard input the lines before one that is refused are written and stay. Doing the same \
again changes nothing.

A value comes back with its revision, its times and its end; one whose time is over is left out. \
Over another value it gets at least the next revision of that one. `revision`, `created_at`, \
`updated_at` and `expires_at` may be left out: it is then as if the value were put now, and for \
good.

Examples:
  plugboard state import com.example.hello hello.jsonl
  plugboard state export com.example.old | plugboard state import com.example.new
  plugboard state import com.example.hello hello.jsonl --dry-run"
)]
pub(super) struct ImportArgs {
    /// The extension's name, or the id of its install
    name: String,
    /// The file; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Put values over others that are there
    #[arg(long)]
    replace: bool,
    /// Write nothing, and say what would have been
    #[arg(long)]
    dry_run: bool,
}

/// What `POST /api/v1/installs/{id}/state` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Imported {
    created: u64,
    replaced: u64,
    unchanged: u64,
    expired: u64,
}

pub(super) async fn run(
    client: &Client,
    args: ImportArgs,
    context: &Context,
) -> Result<(), Failure> {
    let is_file = !is_standard(&args.file);
    if is_file {
        check_regular(&args.file).map_err(|failure| {
            failure.hint("it is read twice: name a file, or give a pipe on standard input")
        })?;
    }
    let install = installs::require(client, &args.name).await?;
    let mut done = None;
    if is_file || args.dry_run {
        done = Some(send(client, &install, &args, true).await?);
    }
    if !args.dry_run {
        done = Some(send(client, &install, &args, false).await?);
    }
    let done = done.expect("one of them was done");
    let outcome = if args.dry_run { "tried" } else { "imported" };
    let object = json!({
        "outcome": outcome,
        "install": install.id,
        "extension": install.name,
        "created": done.created,
        "replaced": done.replaced,
        "unchanged": done.unchanged,
        "expired": done.expired,
    });
    let words = if args.dry_run { "Would import" } else { "Imported" };
    let Imported { created, replaced, unchanged, expired } = done;
    let text = format!(
        "{words} {created} new values of {}, {replaced} over others; {unchanged} were there \
         already, {expired} had ended",
        install.name
    );
    Ok(context.output.result(&object, &text)?)
}

async fn send(
    client: &Client,
    install: &Install,
    args: &ImportArgs,
    dry_run: bool,
) -> Result<Imported, Failure> {
    let body = if is_standard(&args.file) {
        Body::wrap_stream(ReaderStream::new(tokio::io::stdin()))
    } else {
        let file = tokio::fs::File::open(&args.file).await;
        let file = file.map_err(|error| cannot_read(&args.file, error))?;
        Body::wrap_stream(ReaderStream::new(file))
    };
    let path =
        format!("/api/v1/installs/{}/state?replace={}&dry_run={dry_run}", install.id, args.replace);
    client.post_stream(&path, "application/jsonl", body).await
}
