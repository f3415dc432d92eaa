//! The verdict as types: what may become a version, what must wait, what is refused.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use semver::Version;

use super::examination::{self, Examined, Stop};
use super::key_ring::KeyRing;
use super::policy::{Case, Decision, Facts};
use super::report::{Check, CheckStatus, Report, ReportedExtension, Rows, Verdict};
use super::signatures::{self, SignatureFact, Signed};
use super::trust_bundle::TrustBundle;
use crate::bundle::{BundleLimits, Reading};
use crate::model::{
    ContentHash, ExtensionName, FileEntry, KeyId, Manifest, Signer, StarVersion, Stars, TargetWorld,
};

/// A bundle received into a file of ours. Nothing in it is trusted.
#[derive(Debug)]
pub struct StagedUpload {
    pub file: PathBuf,
    /// Bytes received.
    pub size: u64,
    /// Of the bytes received.
    pub content_hash: ContentHash,
    /// What the sender said the hash is.
    pub expected_hash: Option<ContentHash>,
    /// DSSE envelopes, as raw JSON.
    pub signatures: Vec<Vec<u8>>,
    /// Envelopes that came with the same bytes before, and could not all be judged then. A bad
    /// one counts for nothing: it is not this sender's.
    pub kept: Vec<Vec<u8>>,
    /// What the file was found to be while it arrived; without it the file is read.
    pub reading: Option<Reading>,
}

/// The outcome of one attempt. Each variant carries its report.
#[derive(Debug)]
pub enum Verification {
    Verified(Box<VerifiedBundle>),
    Quarantined(Box<QuarantinedBundle>),
    Rejected(Report),
    /// The verifier could not finish: neither good nor bad is known.
    NotChecked(Report),
}

/// A bundle that may be stored, registered and run.
///
/// [`Examination::decide`] is the only constructor, so a function that takes this type
/// cannot be handed anything unchecked, and "could not be checked" cannot be
/// mistaken for "is fine".
#[derive(Debug)]
pub struct VerifiedBundle {
    bundle: ExaminedBundle,
    signers: Vec<Signer>,
    approved_because: Option<String>,
}

/// A well-formed bundle that nobody trusted vouches for: kept, never served, never run.
#[derive(Debug)]
pub struct QuarantinedBundle {
    bundle: ExaminedBundle,
}

/// What is known of a bundle that was read whole. It is no proof of anything:
/// take a [`VerifiedBundle`] or a [`QuarantinedBundle`].
#[derive(Debug)]
pub struct ExaminedBundle {
    file: PathBuf,
    examined: Examined,
    signatures: Vec<(KeyId, Vec<u8>)>,
    report: Report,
}

/// An upload whose bytes have been looked at. Nothing is decided yet.
///
/// What the decision depends on can be asked for here, once it is known which
/// extension the bytes say they are.
#[derive(Debug)]
pub struct Examination {
    upload: StagedUpload,
    rows: Rows,
    examined: Result<Examined, Stop>,
}

/// Verifies an upload, for a caller that knows the facts beforehand.
pub fn verify(
    upload: StagedUpload,
    trust: &TrustBundle,
    facts: &Facts,
    limits: &BundleLimits,
) -> Verification {
    examine(upload, limits, Stars::Refused).decide(trust, facts)
}

/// The first half of [`verify`]: the checks `transport` to `component`. Reads the
/// whole archive, unless that is done, and parses a component: not for an async thread.
pub fn examine(mut upload: StagedUpload, limits: &BundleLimits, stars: Stars) -> Examination {
    let mut rows = Rows::default();
    let examined = examination::examine(&mut upload, limits, stars, &mut rows);
    Examination { upload, rows, examined }
}

impl Examination {
    /// The extension that the manifest names, if there is a sound one.
    pub fn name(&self) -> Option<&ExtensionName> {
        self.examined.as_ref().ok().map(|examined| &examined.manifest.name)
    }

    /// What the manifest says in place of a version, if it says `X.Y.*`.
    pub fn star(&self) -> Option<StarVersion> {
        self.examined.as_ref().ok().and_then(|examined| examined.star)
    }

    /// Says which version the star is. The signatures must say the star.
    pub fn stand_for(&mut self, version: Version) {
        if let Ok(examined) = &mut self.examined {
            examined.manifest.version = version;
        }
    }

    /// The second half of [`verify`]: the checks `signature` to `policy`, and the verdict.
    ///
    /// The order of the checks is that of [`Check::ALL`]. One that fails ends
    /// the work, but a bundle that only lacks trusted signatures is read whole.
    pub fn decide(self, trust: &TrustBundle, facts: &Facts) -> Verification {
        let Self { upload, mut rows, examined } = self;
        let hash = upload.content_hash;
        let examined = match examined {
            Ok(examined) => examined,
            Err(Stop::Rejected(extension)) => {
                let report = rows.into_report(Verdict::Rejected, hash, extension);
                return Verification::Rejected(report);
            }
            Err(Stop::NotChecked) => {
                return Verification::NotChecked(rows.into_report(Verdict::NotChecked, hash, None));
            }
        };
        let extension = Some(reported(&examined.manifest));
        let subject = examined.subject();
        let ring = KeyRing::new(trust.keys().iter().chain(&facts.keys));
        let mut envelopes = upload.signatures;
        envelopes.extend(signatures::sound(upload.kept, &ring, &subject));
        let signatures = match signatures::examine(&envelopes, &ring, &subject) {
            Ok(signatures) => signatures,
            Err(finding) => {
                rows.add(Check::Signature, CheckStatus::Fail, finding);
                let report = rows.into_report(Verdict::Rejected, hash, extension);
                return Verification::Rejected(report);
            }
        };
        let case = Case { bundle: &subject, signatures: &signatures, ring: &ring, trust, facts };
        let decision = case.decide(&mut rows);
        let bundle = |verdict| ExaminedBundle {
            file: upload.file,
            examined,
            signatures: by_key(signatures),
            report: rows.into_report(verdict, hash, extension),
        };
        verdict(decision, bundle)
    }
}

fn verdict(decision: Decision, bundle: impl FnOnce(Verdict) -> ExaminedBundle) -> Verification {
    match decision {
        Decision::Verified { signers, approved_because } => {
            let bundle = bundle(Verdict::Verified);
            Verification::Verified(Box::new(VerifiedBundle { bundle, signers, approved_because }))
        }
        Decision::Quarantined => {
            let bundle = bundle(Verdict::Quarantined);
            Verification::Quarantined(Box::new(QuarantinedBundle { bundle }))
        }
        Decision::Rejected => Verification::Rejected(bundle(Verdict::Rejected).report),
    }
}

/// What a report says the bundle is.
pub(super) fn reported(manifest: &Manifest) -> ReportedExtension {
    ReportedExtension { name: manifest.name.clone(), version: manifest.version.clone() }
}

/// Each envelope under the id of each key that it is by. Of two under one id
/// the one that verifies stays: a claim must not push out a signature.
fn by_key(facts: Vec<SignatureFact>) -> Vec<(KeyId, Vec<u8>)> {
    let (unavailable, valid): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|fact| matches!(fact.signed, Signed::Unavailable(_)));
    let mut by_key: Vec<(KeyId, Vec<u8>)> = Vec::new();
    for fact in valid.into_iter().chain(unavailable) {
        let id = fact.key_id();
        if by_key.iter().all(|(known, _)| *known != id) {
            by_key.push((id, fact.envelope));
        }
    }
    by_key
}

impl Verification {
    /// What was found.
    pub fn report(&self) -> &Report {
        match self {
            Self::Verified(bundle) => bundle.report(),
            Self::Quarantined(bundle) => bundle.report(),
            Self::Rejected(report) | Self::NotChecked(report) => report,
        }
    }
}

impl VerifiedBundle {
    /// The trusted keys that signed it. Empty for a bundle that an operator
    /// approved, or that `allow-unsigned` let pass.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The operator's reason, for a bundle that was approved by its hash.
    pub fn approved_because(&self) -> Option<&str> {
        self.approved_because.as_deref()
    }
}

impl ExaminedBundle {
    /// The staged archive.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Bytes of the archive.
    pub fn size(&self) -> u64 {
        self.examined.contents.size
    }

    pub fn content_hash(&self) -> ContentHash {
        self.examined.contents.content_hash
    }

    pub fn manifest(&self) -> &Manifest {
        &self.examined.manifest
    }

    /// What the manifest says in place of a version, if it says `X.Y.*`.
    pub fn star(&self) -> Option<StarVersion> {
        self.examined.star
    }

    /// The manifest as it is in the bundle.
    pub fn manifest_json(&self) -> &[u8] {
        &self.examined.contents.manifest
    }

    /// The file table, sorted by path.
    pub fn files(&self) -> &[FileEntry] {
        &self.examined.contents.files
    }

    /// The bytes of `dist/main.wasm`.
    pub fn component(&self) -> Option<&[u8]> {
        self.examined.contents.component.as_deref()
    }

    pub fn world(&self) -> Option<TargetWorld> {
        self.examined.world
    }

    /// The raw envelopes, each under the id of its key, once per key. The id
    /// of a signature that could not be checked is only what it claims.
    pub fn signatures(&self) -> &[(KeyId, Vec<u8>)] {
        &self.signatures
    }

    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl Deref for VerifiedBundle {
    type Target = ExaminedBundle;

    fn deref(&self) -> &ExaminedBundle {
        &self.bundle
    }
}

impl Deref for QuarantinedBundle {
    type Target = ExaminedBundle;

    fn deref(&self) -> &ExaminedBundle {
        &self.bundle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::fixtures::key;
    use crate::trust::keys;

    #[test]
    fn a_claim_pushes_no_signature_out() {
        let public = key(9).verifying_key();
        let id = keys::key_id(&public);
        let fact = |signed, envelope: &[u8]| SignatureFact { signed, envelope: envelope.to_vec() };

        let kept = by_key(vec![
            fact(Signed::Unavailable(Some(id.clone())), b"claim"),
            fact(Signed::Unavailable(None), b"nameless"),
            fact(Signed::Unknown(public), b"signature"),
        ]);

        assert_eq!(kept[0], (id, b"signature".to_vec()));
        assert_eq!((kept.len(), kept[1].1.as_slice()), (2, b"nameless".as_slice()));
    }
}
