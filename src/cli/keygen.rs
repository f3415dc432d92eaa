//! `plugboard keygen`: a key pair to sign bundles with.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use serde_json::json;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::{Existing, NewFile};
use crate::trust::keys;

/// Makes a key pair to sign bundles with
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Makes a key pair to sign bundles with: NAME.key, which stays with you, and \
NAME.pub, which others trust.

Examples:
  plugboard keygen
  plugboard keygen acme --out ~/keys"
)]
pub(super) struct KeygenArgs {
    /// What the two files are called, without an ending
    #[arg(default_value = "plugboard")]
    name: String,
    /// The folder for them [default: here]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `plugboard keygen`.
pub(super) fn run(args: &KeygenArgs, context: &Context) -> Result<Exit, Failure> {
    if args.name.is_empty() || args.name.contains('/') || args.name.starts_with('.') {
        return Err(Failure::usage(format!("`{}` is no name for a file", args.name))
            .hint("name the folder with --out"));
    }
    let folder = args.out.clone().unwrap_or_default();
    let private_file = folder.join(format!("{}.key", args.name));
    let public_file = folder.join(format!("{}.pub", args.name));
    for file in [&private_file, &public_file] {
        if fs::symlink_metadata(file).is_ok() {
            return Err(Failure::refused(anyhow!("{} exists already", file.display()))
                .hint("a key that is overwritten is lost: give the new one another name"));
        }
    }
    // Both before one of them has its name: a pair is there whole or not at all.
    let private = NewFile::begin(&private_file, Existing::Keep)?;
    let public = NewFile::begin(&public_file, Existing::Keep)?;
    let made = keys::generate().context("cannot make a key")?;
    private.write(made.private_pem.as_bytes())?;
    public.write(made.public_pem.as_bytes())?;
    private.finish_as(0o600)?;
    public.finish_as(0o644)?;
    let object = json!({
        "key_id": made.id,
        "private_key_file": private_file,
        "public_key_file": public_file,
    });
    let text = format!(
        "Made the key {id}\n\
         \x20 private  {private}  keep it; who has it can publish in your name\n\
         \x20 public   {public}  give it to who runs an appliance\n\n\
         Sign a bundle:          plugboard sign BUNDLE --key {private}\n\
         Trust it on a host:     plugboard trust add {public} --scope 'com.example.*'",
        id = made.id,
        private = private_file.display(),
        public = public_file.display(),
    );
    context.output.result(&object, &text)?;
    Ok(Exit::Done)
}
