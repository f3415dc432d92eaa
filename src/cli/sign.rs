//! `plugboard sign`: a DSSE envelope over a bundle.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use ed25519_dalek::SigningKey;
use serde_json::json;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::{
    Existing, NewFile, cannot_read, check_bundle, holds, input_name, read_text, shell_word,
};
use super::interrupt::blocking;
use super::output::Output;
use crate::bundle::{self, BundleLimits};
use crate::model::{Manifest, ReadManifest, Stars};
use crate::trust::keys;
use crate::trust::statement::{self, Subject};

/// Signs a bundle
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Signs a bundle: writes a DSSE envelope that names its content hash, name and \
version. The bundle stays as it is, and can be signed by several keys.

Examples:
  plugboard sign hello.tar.zst --key acme.key
  plugboard sign hello.tar.zst --key second.key --out hello.second.dsse.json"
)]
pub(super) struct SignArgs {
    /// The bundle
    bundle: PathBuf,
    /// The private key, as `plugboard keygen` wrote it
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// The signature to write [default: <bundle>.dsse.json]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the signature if it exists
    #[arg(long)]
    force: bool,
}

/// What was signed.
pub(super) struct Signed {
    pub(super) subject: Subject,
    /// The envelope, as JSON.
    pub(super) envelope: Vec<u8>,
}

/// Runs `plugboard sign`.
pub(super) async fn run(args: SignArgs, context: &Context) -> Result<Exit, Failure> {
    let SignArgs { bundle, key, out, force } = args;
    check_bundle(&bundle)?;
    let out = out.unwrap_or_else(|| beside(&bundle));
    let output = context.output;
    let key = read_key(&key, output)?;
    let key_id = keys::key_id(&key.verifying_key());
    let file = bundle.clone();
    let signed = blocking(move || {
        let archive = File::open(&file).map_err(|error| cannot_read(&file, error))?;
        Ok(sign_archive(BufReader::new(archive), &key)?)
    })
    .await?;
    // Signing again gives the same bytes: nothing is lost by it.
    if !holds(&out, &signed.envelope) {
        let file = NewFile::begin(&out, Existing::forced(force))?;
        file.write(&signed.envelope)?;
        file.finish()?;
    }
    let Subject { name, content_hash, .. } = &signed.subject;
    let version = signed.version();
    let object = json!({
        "file": out,
        "key_id": key_id,
        "name": name,
        "version": version,
        "content_hash": content_hash,
    });
    let text = format!(
        "Signed {name} {version}\n  {content_hash}\n  by key {key_id}\n  in {}\n\n{}",
        out.display(),
        what_now(&signed.subject, &bundle, &out),
    );
    output.result(&object, &text)?;
    Ok(Exit::Done)
}

impl Signed {
    /// What the manifest says, and the statement with it.
    fn version(&self) -> String {
        let Subject { version, star, .. } = &self.subject;
        star.map_or_else(|| version.to_string(), |star| star.to_string())
    }
}

/// How the bundle is published with the signature in `out`.
fn what_now(subject: &Subject, bundle: &Path, out: &Path) -> String {
    if let Some(star) = subject.star {
        return format!(
            "`plugboard publish` refuses {star}: it takes one version, as {}. Only existing \
             clients publish it,\nby POST /api/ext-bundles/finalize with this signature, and it \
             gets the next free patch.",
            star.first()
        );
    }
    // The one beside the bundle is found without its name.
    let named = if out == beside(bundle) {
        String::new()
    } else {
        format!(" --signature {}", shell_word(out))
    };
    format!("Publish it:  plugboard publish {}{named} --install --enable", shell_word(bundle))
}

/// Where the signature of a bundle is looked for.
pub(super) fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(".dsse.json");
    name.into()
}

/// Reads a private key, and says so if others can read it, too.
pub(super) fn read_key(file: &Path, output: Output) -> Result<SigningKey, Failure> {
    let pem = zeroize::Zeroizing::new(read_text(file)?);
    let key = keys::parse_private(&pem).map_err(|error| {
        let error = anyhow!(error).context(format!("{} is no signing key", input_name(file)));
        Failure { exit: Exit::Usage, error, hint: None }
            .hint("`plugboard keygen` makes one; the file ends in .key")
    })?;
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 && mode & 0o170_000 == 0o100_000 {
        let (file, mode) = (file.display(), mode & 0o777);
        output.note(&format!(
            "warning: other users can read {file} (mode {mode:04o}): chmod 600 {file}"
        ));
    }
    Ok(key)
}

/// Reads a bundle as the appliance would, and signs what it found.
pub(super) fn sign_archive(archive: impl Read, key: &SigningKey) -> anyhow::Result<Signed> {
    let contents =
        bundle::read(archive, &BundleLimits::default()).context("the bundle is not well formed")?;
    // The routes of existing clients take `X.Y.*`; the statement then says it, too.
    let ReadManifest { manifest, star, .. } = Manifest::read(&contents.manifest, Stars::Allowed)
        .context("the bundle's manifest is refused")?;
    let inspected = contents.component.as_deref().map(bundle::inspect).transpose();
    let facts = inspected.context("the bundle's component is refused")?;
    let subject = Subject {
        name: manifest.name,
        version: manifest.version,
        star,
        content_hash: contents.content_hash,
        size: contents.size,
        manifest_sha256: statement::manifest_sha256(&contents.manifest),
        target_world: facts.map(|facts| facts.world),
    };
    let envelope = statement::sign(key, &subject);
    Ok(Signed { subject, envelope })
}
