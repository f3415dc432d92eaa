//! Reasons not to trust, in words, and how much each weighs.

use ed25519_dalek::VerifyingKey;

use super::counted;
use crate::model::{ExtensionName, KeyId};
use crate::trust::keys;
use crate::trust::report::{Check, Finding};

/// A reason not to trust, and the check it belongs to.
pub(super) struct Doubt {
    pub(super) check: Check,
    pub(super) finding: Finding,
    pub(super) weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nobody said anything: an approval or `allow-unsigned` outweighs it.
    Missing,
    /// Somebody said no: only an approval of exactly this bundle outweighs it.
    Revoked,
    /// What was said cannot be read: nothing outweighs it.
    Unreadable,
}

impl Doubt {
    /// The trust bundle may hold a revocation of whatever is looked at.
    pub(super) fn unusable_trust_bundle(reason: &str) -> Self {
        let finding = Finding::new("trust_bundle_unusable")
            .expected("a usable trust bundle, as `signing.trust_bundle` is set")
            .found(reason)
            .hint("Ask an operator to correct the trust bundle; nothing is accepted until then.");
        Self { check: Check::Trust, finding, weight: Weight::Unreadable }
    }

    pub(super) fn unsigned() -> Self {
        let finding = Finding::new("unsigned")
            .expected("a signature by a trusted key")
            .found("no signature")
            .hint(
                "Sign the bundle with `plugboard sign` and attach the signature, or approve this \
                 content hash, with a reason.",
            );
        Self::missing(Check::Signature, finding)
    }

    pub(super) fn too_few_signers(found: usize, threshold: usize) -> Self {
        let finding = Finding::new("threshold_not_met")
            .expected(format!("signatures by {threshold} different trusted keys"))
            .found(counted(found, "trusted signature"))
            .hint("Attach the missing signatures; the content hash stays the same.");
        Self::missing(Check::Trust, finding)
    }

    /// A known key that may not sign this, for the reason found.
    pub(super) fn not_permitted(finding: Finding) -> Self {
        let revoked = finding.code == "key_revoked";
        let weight = if revoked { Weight::Revoked } else { Weight::Missing };
        Self { check: Check::Trust, finding, weight }
    }

    pub(super) fn unknown_signer(key: &VerifyingKey, name: &ExtensionName) -> Self {
        let finding = Finding::new("unknown_signer")
            .expected("a signature by a trusted key")
            .found(format!("a valid signature by key {}, which nobody trusts", keys::key_id(key)))
            .hint(format!(
                "Compare the key id with the publisher's. If it is theirs, trust the key for \
                 {name}; or approve this content hash, with a reason."
            ));
        Self::missing(Check::Trust, finding)
    }

    pub(super) fn signer_unavailable(claimed: Option<&KeyId>) -> Self {
        let key = claimed.map_or_else(|| "an unnamed key".to_owned(), |id| format!("key {id}"));
        let finding = Finding::new("signer_unavailable")
            .expected("a signature by a key that is known or in the statement")
            .found(format!("a signature by {key}, which is neither"))
            .hint("Get the public key file from the publisher and trust it.");
        Self::missing(Check::Signature, finding)
    }

    const fn missing(check: Check, finding: Finding) -> Self {
        Self { check, finding, weight: Weight::Missing }
    }
}
