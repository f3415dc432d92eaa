//! `plugboard verify`: what an appliance would say about a bundle, offline.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;

use super::Context;
use super::failure::{Exit, Failure};
use super::files::{cannot_read, check_bundle, check_regular, input_name, read_small, read_text};
use super::interrupt::blocking;
use super::output::checks;
use super::sign::beside;
use crate::bundle::BundleLimits;
use crate::config::SigningPolicy;
use crate::model::{
    Clock, ContentHash, KeyStatus, NameGlob, StreamHasher, SystemClock, TrustedKey,
};
use crate::trust::{self, Facts, Report, StagedUpload, TrustBundle, Verdict, keys};

/// Verifies a bundle as an appliance would, offline
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Verifies a bundle as an appliance would, without one. Ends with 0 only when the \
bundle is verified; 3 when it would be quarantined, 1 when it would be rejected, 4 when it could \
not be checked.

Examples:
  plugboard verify hello.tar.zst --key acme.pub
  plugboard verify hello.tar.zst --signature hello.dsse.json --trust-bundle trust.json
  plugboard verify hello.tar.zst --key acme.pub --expect sha256:9f2c… --json"
)]
pub(super) struct VerifyArgs {
    /// The bundle
    bundle: PathBuf,
    /// A signature; repeatable [default: <bundle>.dsse.json, if it is there]
    #[arg(short, long = "signature", value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// A public key to trust for every name; repeatable
    #[arg(short, long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// A trust bundle, as `SIGNING_TRUST_BUNDLE` names
    #[arg(long, value_name = "FILE")]
    trust_bundle: Option<PathBuf>,
    /// The content hash that is expected
    #[arg(long, value_name = "HASH")]
    expect: Option<ContentHash>,
}

/// Runs `plugboard verify`.
pub(super) async fn run(args: VerifyArgs, context: &Context) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let report = blocking(move || verify(&args, now)).await?;
    context.output.result(&report, &checks(&report, context.output.paint()))?;
    Ok(match report.verdict {
        Verdict::Verified => Exit::Done,
        Verdict::Quarantined => Exit::Quarantined,
        Verdict::Rejected => Exit::Refused,
        Verdict::NotChecked => Exit::Unfinished,
    })
}

fn verify(args: &VerifyArgs, now: Timestamp) -> Result<Report, Failure> {
    check_bundle(&args.bundle)?;
    let signatures = read_signatures(&args.bundle, &args.signatures)?;
    let keys = args.keys.iter().map(|file| read_key(file, now)).collect::<Result<_, _>>()?;
    let trust = match &args.trust_bundle {
        None => TrustBundle::none(),
        Some(file) => load_trust_bundle(file, now)?,
    };
    let (size, content_hash) =
        hash(&args.bundle).map_err(|error| cannot_read(&args.bundle, error))?;
    let upload = StagedUpload {
        file: args.bundle.clone(),
        size,
        content_hash,
        expected_hash: args.expect,
        signatures,
        kept: Vec::new(),
        reading: None,
    };
    let facts = Facts { now, policy: SigningPolicy::Require, keys, registry: None };
    let verification = trust::verify(upload, &trust, &facts, &BundleLimits::default());
    Ok(verification.report().clone())
}

/// The signatures that are named, or the one that lies beside the bundle.
pub(super) fn read_signatures(bundle: &Path, named: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    if !named.is_empty() {
        return named.iter().map(|file| read_small(file)).collect();
    }
    let beside = beside(bundle);
    if beside.exists() { Ok(vec![read_small(&beside)?]) } else { Ok(Vec::new()) }
}

/// A file that is none is a wrong call here: for an appliance, whose setting names it, it is
/// a reason to accept nothing.
fn load_trust_bundle(file: &Path, now: Timestamp) -> Result<TrustBundle, Failure> {
    // It is read as the appliance reads it, by its name.
    check_regular(file)?;
    File::open(file).map_err(|error| cannot_read(file, error))?;
    let trust = TrustBundle::load(&file.to_string_lossy(), now);
    match trust.defect() {
        None => Ok(trust),
        Some(defect) => {
            let message = format!("{} is no usable trust bundle", file.display());
            let error = anyhow!(defect.clone()).context(message);
            Err(Failure { exit: Exit::Usage, error, hint: None })
        }
    }
}

/// Reads a public key, with its text. Whoever names a private key by mistake learns it here,
/// before anything of it leaves this machine.
pub(super) fn read_public_key(file: &Path) -> Result<(VerifyingKey, String), Failure> {
    let text = read_text(file)?;
    let key = keys::parse_public(&text).map_err(|error| {
        let error = anyhow!(error).context(format!("{} is no public key", input_name(file)));
        Failure { exit: Exit::Usage, error, hint: None }
            .hint("`plugboard keygen` makes one; the file ends in .pub")
    })?;
    Ok((key, text))
}

fn read_key(file: &Path, now: Timestamp) -> Result<TrustedKey, Failure> {
    let (key, _) = read_public_key(file)?;
    Ok(TrustedKey {
        id: keys::key_id(&key),
        public_key: key.to_bytes(),
        name: file.display().to_string(),
        scopes: vec![NameGlob::everything()],
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        added_at: now,
        added_by: "command line".to_owned(),
    })
}

fn hash(file: &Path) -> io::Result<(u64, ContentHash)> {
    let (size, digest) = StreamHasher::of_reader(File::open(file)?)?;
    Ok((size, digest.into()))
}
