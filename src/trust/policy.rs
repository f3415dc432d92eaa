//! What follows from who signed: the last word on a bundle.

mod doubt;

use jiff::Timestamp;
use semver::Version;

use self::doubt::{Doubt, Weight};
use super::key_ring::KeyRing;
use super::report::{Check, CheckStatus, Finding, Rows};
use super::signatures::{SignatureFact, Signed};
use super::statement::Subject;
use super::trust_bundle::TrustBundle;
use crate::config::SigningPolicy;
use crate::model::{Approval, Signer, TrustedKey};

/// What the registry and the settings know that a verdict depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub now: Timestamp,
    pub policy: SigningPolicy,
    /// The registry's own trusted keys.
    pub keys: Vec<TrustedKey>,
    /// `None` where there is no registry, as for `plugboard verify`.
    pub registry: Option<RegistryFacts>,
}

/// What the registry knows of the extension and of the bundle.
#[derive(Clone, Debug, Default)]
pub struct RegistryFacts {
    /// The highest version of the extension that is published.
    pub highest_version: Option<Version>,
    /// An operator's exception for exactly this content hash.
    pub approval: Option<Approval>,
}

/// Everything a decision is made from.
pub(super) struct Case<'a> {
    pub(super) bundle: &'a Subject,
    pub(super) signatures: &'a [SignatureFact],
    pub(super) ring: &'a KeyRing,
    pub(super) trust: &'a TrustBundle,
    pub(super) facts: &'a Facts,
}

/// The decision.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Verified { signers: Vec<Signer>, approved_because: Option<String> },
    Quarantined,
    Rejected,
}

/// Why a bundle is accepted.
enum Grounds<'a> {
    Trusted,
    Approved(&'a Approval),
    AllowUnsigned,
}

impl Case<'_> {
    /// Decides, and writes the rows of `signature`, `trust` and `policy`.
    pub(super) fn decide(&self, rows: &mut Rows) -> Decision {
        let (signers, doubts) = self.assess();
        let valid = self.signatures.iter().filter(|fact| fact.is_valid()).count();
        if valid > 0 {
            rows.pass(Check::Signature, counted(valid, "valid signature"));
        }
        if let Some(refusal) = self.refusal() {
            write(doubts, CheckStatus::Warn, rows);
            rows.add(Check::Policy, CheckStatus::Fail, refusal);
            return Decision::Rejected;
        }
        let Some(grounds) = self.grounds(&signers, &doubts) else {
            write(doubts, CheckStatus::Fail, rows);
            return Decision::Quarantined;
        };
        self.write_grounds(&grounds, &signers, rows);
        write(doubts, CheckStatus::Warn, rows);
        self.write_version(rows);
        let approved_because = match grounds {
            Grounds::Approved(approval) => Some(approval.reason.clone()),
            Grounds::Trusted | Grounds::AllowUnsigned => None,
        };
        Decision::Verified { signers, approved_because }
    }

    /// The trusted signers, and every doubt.
    fn assess(&self) -> (Vec<Signer>, Vec<Doubt>) {
        let mut signers = Vec::new();
        let mut doubts = Vec::new();
        if let Some(error) = self.trust.problem(self.facts.now) {
            doubts.push(Doubt::unusable_trust_bundle(&error.to_string()));
        }
        if self.signatures.is_empty() {
            doubts.push(Doubt::unsigned());
        }
        for fact in self.signatures {
            match self.signer(&fact.signed) {
                Ok(signer) => signers.push(signer),
                Err(doubt) => doubts.push(doubt),
            }
        }
        let threshold = self.trust.threshold();
        if !signers.is_empty() && signers.len() < threshold {
            doubts.push(Doubt::too_few_signers(signers.len(), threshold));
        }
        (signers, doubts)
    }

    fn signer(&self, signed: &Signed) -> Result<Signer, Doubt> {
        let name = &self.bundle.name;
        match signed {
            Signed::Known(id) => match self.ring.permission(id, name, self.facts.now) {
                Ok(entry) => Ok(Signer { key_id: id.clone(), name: entry.name.clone() }),
                Err(finding) => Err(Doubt::not_permitted(finding)),
            },
            Signed::Unknown(key) => Err(Doubt::unknown_signer(key, name)),
            Signed::Unavailable(claimed) => Err(Doubt::signer_unavailable(claimed.as_ref())),
        }
    }

    /// What no signature and no approval outweighs.
    fn refusal(&self) -> Option<Finding> {
        let Subject { name, version, content_hash, .. } = self.bundle;
        if self.trust.revokes(content_hash) {
            return Some(
                Finding::new("content_revoked")
                    .expected("a bundle that the trust bundle does not revoke")
                    .found(content_hash.to_string())
                    .hint("Ask the publisher for a newer version."),
            );
        }
        let lowest = self.trust.min_version(name).filter(|lowest| version < *lowest)?;
        Some(
            Finding::new("version_below_minimum")
                .expected(format!("{name} {lowest} or newer, as the trust bundle asks"))
                .found(format!("{name} {version}"))
                .hint(format!("Publish version {lowest} or a newer one.")),
        )
    }

    fn grounds(&self, signers: &[Signer], doubts: &[Doubt]) -> Option<Grounds<'_>> {
        let has = |weight| doubts.iter().any(|doubt| doubt.weight == weight);
        if has(Weight::Unreadable) {
            return None;
        }
        // Signers are unique keys: `examine` and the ring count a key once.
        if signers.len() >= self.trust.threshold() {
            return Some(Grounds::Trusted);
        }
        if let Some(approval) = self.approval() {
            return Some(Grounds::Approved(approval));
        }
        let unsigned_allowed = self.facts.policy == SigningPolicy::AllowUnsigned;
        (unsigned_allowed && !has(Weight::Revoked)).then_some(Grounds::AllowUnsigned)
    }

    /// The approval, if it is for these bytes and no others.
    fn approval(&self) -> Option<&Approval> {
        let approval = self.facts.registry.as_ref()?.approval.as_ref()?;
        (approval.content_hash == self.bundle.content_hash).then_some(approval)
    }

    fn write_grounds(&self, grounds: &Grounds<'_>, signers: &[Signer], rows: &mut Rows) {
        let policy = match self.facts.policy {
            SigningPolicy::Require => "require",
            SigningPolicy::AllowUnsigned => "allow-unsigned",
        };
        match grounds {
            Grounds::Trusted => {
                for signer in signers {
                    let (key, name) = (&signer.key_id, &self.bundle.name);
                    let called =
                        if signer.name.is_empty() { "a trusted key" } else { &signer.name };
                    rows.pass(Check::Trust, format!("{called} ({key}) may sign {name}"));
                }
                let needed = counted(self.trust.threshold(), "trusted signature");
                rows.pass(Check::Policy, format!("policy {policy}, which needs {needed}"));
            }
            Grounds::Approved(approval) => rows.add(
                Check::Policy,
                CheckStatus::Pass,
                Finding::new("approved")
                    .found(format!("approved by {}: {}", approval.approved_by, approval.reason)),
            ),
            Grounds::AllowUnsigned => rows.add(
                Check::Policy,
                CheckStatus::Warn,
                Finding::new("allow_unsigned")
                    .expected("a trusted signature")
                    .found("none; policy allow-unsigned accepts every bundle")
                    .hint("Set `signing.policy` to `require` on an appliance that others use."),
            ),
        }
    }

    /// A lower version than the highest may be right, as for a fix of an old
    /// line. Whoever installs it decides: it only has to be seen.
    fn write_version(&self, rows: &mut Rows) {
        let Some(registry) = &self.facts.registry else {
            let finding = Finding::new("registry_not_consulted")
                .found("the versions that are published are not known here");
            return rows.add(Check::Policy, CheckStatus::Skipped, finding);
        };
        let Subject { name, version, .. } = self.bundle;
        if let Some(highest) =
            registry.highest_version.as_ref().filter(|highest| version < *highest)
        {
            let finding = Finding::new("version_below_highest")
                .expected(format!("a version above {highest}, the highest that is published"))
                .found(format!("{name} {version}"));
            rows.add(Check::Policy, CheckStatus::Warn, finding);
        }
    }
}

impl SignatureFact {
    fn is_valid(&self) -> bool {
        !matches!(self.signed, Signed::Unavailable(_))
    }
}

fn write(doubts: Vec<Doubt>, status: CheckStatus, rows: &mut Rows) {
    for Doubt { check, finding, .. } in doubts {
        rows.add(check, status, finding);
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests;
