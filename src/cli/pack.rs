//! `plugboard pack`: a folder becomes a bundle.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::{Existing, NewFile, read_small};
use super::interrupt::blocking_writer;
use super::output::{Output, byte_size};
use crate::bundle::{self, MANIFEST_PATH, PackError, Packed};
use crate::model::Manifest;

/// Packs a folder into a bundle
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Packs a folder into a bundle. The same files make the same bytes on every \
machine. Files and folders whose names begin with a dot are left out.

Examples:
  plugboard pack my-extension
  plugboard pack my-extension --out hello.tar.zst"
)]
pub(super) struct PackArgs {
    /// The folder with manifest.json, ui/ and dist/
    folder: PathBuf,
    /// The bundle to write [default: <name>-<version>.tar.zst, here]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the bundle if it exists
    #[arg(long)]
    force: bool,
}

/// Runs `plugboard pack`.
pub(super) async fn run(args: PackArgs, context: &Context) -> Result<Exit, Failure> {
    let PackArgs { folder, out, force } = args;
    check_folder(&folder)?;
    let out = out.map_or_else(|| default_name(&folder), Ok)?;
    let file = NewFile::begin(&out, Existing::forced(force))?;
    let packed = blocking_writer(move |stop| {
        let mut writer = stop.writer(BufWriter::new(file.file()));
        let packed = bundle::pack(&folder, &mut writer).map_err(refused)?;
        writer.flush()?;
        drop(writer);
        file.finish()?;
        Ok(packed)
    })
    .await?;
    note_left_out(context.output, &packed);
    let object = json!({
        "file": out,
        "content_hash": packed.content_hash,
        "size": packed.size,
        "files": packed.files,
        "left_out": packed.left_out,
        "warnings": packed.warnings,
    });
    let text = format!(
        "Packed {}\n  {}\n  {}, {}",
        out.display(),
        packed.content_hash,
        counted(packed.files.len()),
        byte_size(packed.size),
    );
    context.output.result(&object, &text)?;
    Ok(Exit::Done)
}

/// A folder that is none, or none of an extension, is a wrong call, and no broken bundle.
pub(super) fn check_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        // Whatever it is: what is wrong with it, packing says.
        if fs::symlink_metadata(folder.join(MANIFEST_PATH)).is_ok() {
            return Ok(());
        }
        let message = format!("{} has no `{MANIFEST_PATH}`", folder.display());
        return Err(Failure::usage(message).hint("is it the folder of an extension?"));
    }
    let what = if folder.exists() { "is not a folder" } else { "does not exist" };
    Err(Failure::usage(format!("{} {what}", folder.display())))
}

/// Says what is not in the bundle, and what in it may not be meant.
pub(super) fn note_left_out(output: Output, packed: &Packed) {
    if !packed.left_out.is_empty() {
        output.note(&format!("left out: {}", packed.left_out.join(", ")));
    }
    for warning in &packed.warnings {
        output.note(&format!("warning: {}: {}", warning.path, warning.message));
    }
}

/// All that is wrong with a folder, one line each.
pub(super) fn refused(error: PackError) -> Failure {
    match error {
        PackError::Problems(problems) => {
            let lines = problems.iter().map(|problem| format!("\n  ✘ {}", problem.message));
            let list: String = lines.collect();
            Failure::refused(anyhow::anyhow!("the folder cannot be packed{list}"))
        }
        PackError::Changed { .. } => Failure::refused(error).hint("pack it again"),
        PackError::Read { .. } | PackError::Write(_) => Failure::unfinished(error),
    }
}

fn default_name(folder: &Path) -> Result<PathBuf, Failure> {
    let json = read_small(&folder.join(MANIFEST_PATH))?;
    let (manifest, _) = Manifest::parse(&json).context("the folder cannot be packed")?;
    Ok(format!("{}-{}.tar.zst", manifest.name, manifest.version).into())
}

pub(super) fn counted(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
