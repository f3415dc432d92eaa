//! Signatures of a version that is published already: kept beside it, or added to it.

use super::key_ring::KeyRing;
use super::policy::Facts;
use super::report::{Check, CheckResult, CheckStatus, Finding};
use super::signatures::{self, Signed};
use super::statement::Subject;
use super::trust_bundle::TrustBundle;
use crate::model::{ExtensionVersion, KeyId};

/// A signature of a published version, as it stands today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSignature {
    pub key_id: KeyId,
    /// It verifies; false where no key is at hand to verify it with.
    pub verified: bool,
    /// What the key is called, if it may sign for this extension.
    pub trusted_as: Option<String>,
}

/// Looks at an envelope: who signed, and is it about this version?
///
/// The bytes of the bundle were verified when it was published; here they are
/// what the registry says they are. The error is the check that failed.
pub fn examine_signature(
    envelope: &[u8],
    version: &ExtensionVersion,
    trust: &TrustBundle,
    facts: &Facts,
) -> Result<Vec<PublishedSignature>, Box<CheckResult>> {
    let subject = subject_of(version).ok_or_else(|| {
        let finding = Finding::new("statement_mismatch")
            .expected("a bundle with a manifest in its file table")
            .found("none");
        Box::new(failed(finding))
    })?;
    let ring = KeyRing::new(trust.keys().iter().chain(&facts.keys));
    let found = signatures::examine(&[envelope.to_vec()], &ring, &subject)
        .map_err(|finding| Box::new(failed(finding)))?;
    let standing = |fact: &signatures::SignatureFact| {
        let permitted = match &fact.signed {
            Signed::Known(id) => ring.permission(id, &version.name, facts.now).ok(),
            Signed::Unknown(_) | Signed::Unavailable(_) => None,
        };
        PublishedSignature {
            key_id: fact.key_id(),
            verified: !matches!(fact.signed, Signed::Unavailable(_)),
            trusted_as: permitted.map(|entry| entry.name.clone()),
        }
    };
    Ok(found.iter().map(standing).collect())
}

fn subject_of(version: &ExtensionVersion) -> Option<Subject> {
    Some(Subject {
        name: version.name.clone(),
        version: version.version.clone(),
        star: version.star,
        content_hash: version.content_hash,
        size: version.size,
        manifest_sha256: *version.manifest_file()?.sha256.as_bytes(),
        target_world: version.world,
    })
}

fn failed(finding: Finding) -> CheckResult {
    let Finding { code, expected, found, hint } = finding;
    let (check, status) = (Check::Signature, CheckStatus::Fail);
    CheckResult { check, status, code: code.into_owned(), expected, found, hint }
}
