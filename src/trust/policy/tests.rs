//! Decisions: what is verified, what waits, what is refused.

use serde_json::json;

use super::*;
use crate::model::{ContentHash, KeyStatus};
use crate::trust::fixtures::{bundle, bytes, key, now, signed, statement, trusted};
use crate::trust::report::{Report, Verdict};
use crate::trust::{keys, signatures};

/// A registry that trusts key 1, and a bundle signed by the seeds given.
struct Desk {
    facts: Facts,
    trust: TrustBundle,
    signers: Vec<u8>,
}

impl Desk {
    fn new(signers: &[u8]) -> Self {
        let registry = Some(RegistryFacts::default());
        let facts = Facts {
            now: now(),
            policy: SigningPolicy::Require,
            keys: vec![trusted(&key(1))],
            registry,
        };
        Self { facts, trust: TrustBundle::none(), signers: signers.to_vec() }
    }

    fn allow_unsigned(mut self) -> Self {
        self.facts.policy = SigningPolicy::AllowUnsigned;
        self
    }

    fn key(mut self, change: impl FnOnce(&mut TrustedKey)) -> Self {
        change(&mut self.facts.keys[0]);
        self
    }

    fn approved(mut self, content_hash: ContentHash) -> Self {
        self.facts.registry.as_mut().unwrap().approval = Some(Approval {
            content_hash,
            reason: "reviewed by hand".to_owned(),
            approved_by: "operator ada".to_owned(),
            approved_at: now(),
        });
        self
    }

    fn highest(mut self, version: &str) -> Self {
        self.facts.registry.as_mut().unwrap().highest_version = Some(version.parse().unwrap());
        self
    }

    /// A trust bundle with keys 3 and 4.
    fn trust_bundle(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let row = |seed| {
            let key = key(seed).verifying_key();
            json!({"keyid": keys::key_id(&key), "alg": "ed25519", "spki": keys::spki_base64(&key),
                   "name": format!("Key {seed}"), "scopes": ["com.acme.*"], "status": "active"})
        };
        let mut document = json!({
            "schema": "plugboard.trust/v1", "version": 7, "expires": "2027-01-01T00:00:00Z",
            "threshold": 1, "keys": [row(3), row(4)],
        });
        change(&mut document);
        self.trust = TrustBundle::load(&document.to_string(), now());
        self
    }

    fn decide(&self) -> (Decision, Report) {
        let bundle = bundle();
        let ring = KeyRing::new(self.trust.keys().iter().chain(&self.facts.keys));
        let sign = |seed: &u8| bytes(&signed(&statement(&key(*seed)), &[&key(*seed)]));
        let envelopes: Vec<_> = self.signers.iter().map(sign).collect();
        let signatures = signatures::examine(&envelopes, &ring, &bundle).unwrap();
        let case = Case {
            bundle: &bundle,
            signatures: &signatures,
            ring: &ring,
            trust: &self.trust,
            facts: &self.facts,
        };
        let mut rows = Rows::default();
        let decision = case.decide(&mut rows);
        (decision, rows.into_report(Verdict::Verified, bundle.content_hash, None))
    }

    /// The decision in one word, and the code of each row with `status`.
    fn outcome(&self, status: CheckStatus) -> (&'static str, Vec<String>) {
        let (decision, report) = self.decide();
        let word = match decision {
            Decision::Verified { .. } => "verified",
            Decision::Quarantined => "quarantined",
            Decision::Rejected => "rejected",
        };
        assert_eq!(report.failed_check().is_none(), word == "verified", "{report:#?}");
        let rows = report.checks.iter().filter(|row| row.status == status);
        (word, rows.map(|row| row.code.clone()).collect())
    }

    fn quarantined_for(&self) -> Vec<String> {
        let (word, codes) = self.outcome(CheckStatus::Fail);
        assert_eq!(word, "quarantined", "{codes:?}");
        codes
    }

    fn verified_with(&self) -> Vec<String> {
        let (word, codes) = self.outcome(CheckStatus::Warn);
        assert_eq!(word, "verified", "{codes:?}");
        codes
    }

    fn rejected_for(&self) -> Vec<String> {
        let (word, codes) = self.outcome(CheckStatus::Fail);
        assert_eq!(word, "rejected", "{codes:?}");
        codes
    }
}

#[test]
fn a_trusted_signature_is_enough() {
    let desk = Desk::new(&[1]);

    assert_eq!(desk.verified_with(), [""; 0]);
    let (decision, report) = desk.decide();
    let signers = vec![Signer { key_id: trusted(&key(1)).id, name: "Release".to_owned() }];
    assert_eq!(decision, Decision::Verified { signers, approved_because: None });
    assert!(
        report
            .checks
            .iter()
            .any(|row| row.check == Check::Trust && row.status == CheckStatus::Pass)
    );
}

#[test]
fn an_unsigned_bundle_waits() {
    assert_eq!(Desk::new(&[]).quarantined_for(), ["unsigned"]);
}

#[test]
fn without_any_trusted_key_everything_waits() {
    let mut desk = Desk::new(&[1]);
    desk.facts.keys.clear();

    assert_eq!(desk.quarantined_for(), ["unknown_signer"]);
}

#[test]
fn an_unknown_signer_waits_and_a_trusted_one_beside_it_is_enough() {
    assert_eq!(Desk::new(&[9]).quarantined_for(), ["unknown_signer"]);
    assert_eq!(Desk::new(&[9, 1]).verified_with(), ["unknown_signer"]);
}

#[test]
fn a_key_that_may_not_sign_makes_a_bundle_wait() {
    let status = |status| Desk::new(&[1]).key(|key| key.status = status).quarantined_for();
    assert_eq!(status(KeyStatus::Revoked), ["key_revoked"]);
    assert_eq!(status(KeyStatus::Retired), ["key_retired"]);

    let scope = vec!["com.other.*".parse().unwrap()];
    assert_eq!(
        Desk::new(&[1]).key(|key| key.scopes = scope).quarantined_for(),
        ["key_out_of_scope"]
    );
    let expired = Desk::new(&[1]).key(|key| key.not_after = Some(now()));
    assert_eq!(expired.quarantined_for(), ["key_expired"]);
}

#[test]
fn a_revocation_in_the_trust_bundle_counts_for_a_key_of_the_registry() {
    let mut desk = Desk::new(&[3]).trust_bundle(|document| {
        document["keys"][0]["status"] = json!("revoked");
    });
    desk.facts.keys.push(trusted(&key(3)));

    assert_eq!(desk.quarantined_for(), ["key_revoked"]);
}

#[test]
fn so_many_different_keys_must_sign_as_the_threshold_says() {
    let two =
        |signers| Desk::new(signers).trust_bundle(|document| document["threshold"] = json!(2));

    assert_eq!(two(&[3]).quarantined_for(), ["threshold_not_met"]);
    assert_eq!(two(&[3, 3]).quarantined_for(), ["threshold_not_met"]);
    assert_eq!(two(&[3, 9]).quarantined_for(), ["unknown_signer", "threshold_not_met"]);
    assert_eq!(two(&[3, 4]).verified_with(), [""; 0]);
    assert_eq!(two(&[3, 1]).verified_with(), [""; 0]);
}

#[test]
fn the_same_key_in_both_places_counts_once() {
    let mut desk = Desk::new(&[3]).trust_bundle(|document| document["threshold"] = json!(2));
    desk.facts.keys.push(TrustedKey { id: trusted(&key(8)).id, ..trusted(&key(3)) });

    assert_eq!(desk.quarantined_for(), ["threshold_not_met"]);
}

#[test]
fn nothing_passes_an_unusable_trust_bundle() {
    let broken = |desk: Desk| desk.trust_bundle(|document| document["version"] = json!("seven"));
    let hash = bundle().content_hash;

    assert_eq!(broken(Desk::new(&[1])).quarantined_for(), ["trust_bundle_unusable"]);
    assert_eq!(broken(Desk::new(&[1]).approved(hash)).quarantined_for(), ["trust_bundle_unusable"]);
    let allowing = broken(Desk::new(&[1]).allow_unsigned());
    assert_eq!(allowing.quarantined_for(), ["trust_bundle_unusable"]);
}

#[test]
fn a_trust_bundle_that_expires_while_running_is_unusable() {
    let mut desk = Desk::new(&[3]).trust_bundle(|_| {});
    assert_eq!(desk.verified_with(), [""; 0]);

    desk.facts.now = "2027-01-01T00:00:00Z".parse().unwrap();

    assert_eq!(desk.quarantined_for(), ["trust_bundle_unusable"]);
}

#[test]
fn an_approval_is_for_exactly_one_content_hash() {
    let approved = Desk::new(&[]).approved(bundle().content_hash);
    let other = Desk::new(&[]).approved(ContentHash::of(b"other"));

    assert_eq!(approved.verified_with(), ["unsigned"]);
    assert_eq!(other.quarantined_for(), ["unsigned"]);
    let because = Some("reviewed by hand".to_owned());
    let decision = approved.decide().0;
    assert_eq!(decision, Decision::Verified { signers: vec![], approved_because: because });
}

#[test]
fn an_approval_outweighs_a_revoked_key() {
    let desk = Desk::new(&[1]).key(|key| key.status = KeyStatus::Revoked);

    assert_eq!(desk.approved(bundle().content_hash).verified_with(), ["key_revoked"]);
}

#[test]
fn allow_unsigned_accepts_what_lacks_trust_and_says_so() {
    assert_eq!(Desk::new(&[]).allow_unsigned().verified_with(), ["unsigned", "allow_unsigned"]);
    assert_eq!(
        Desk::new(&[9]).allow_unsigned().verified_with(),
        ["unknown_signer", "allow_unsigned"]
    );
}

#[test]
fn allow_unsigned_does_not_outweigh_a_revocation() {
    let desk = Desk::new(&[1]).key(|key| key.status = KeyStatus::Revoked);

    assert_eq!(desk.allow_unsigned().quarantined_for(), ["key_revoked"]);
}

#[test]
fn revoked_content_is_refused_however_it_is_vouched_for() {
    let hash = bundle().content_hash;
    let revoked = |desk: Desk| {
        desk.trust_bundle(|document| document["revoked_content"] = json!([hash])).rejected_for()
    };

    assert_eq!(revoked(Desk::new(&[1])), ["content_revoked"]);
    assert_eq!(revoked(Desk::new(&[]).approved(hash)), ["content_revoked"]);
    assert_eq!(revoked(Desk::new(&[]).allow_unsigned()), ["content_revoked"]);
    assert_eq!(revoked(Desk::new(&[])), ["content_revoked"]);
}

#[test]
fn a_version_below_the_minimum_is_refused() {
    let with = |minimum: &str| {
        Desk::new(&[1]).trust_bundle(|document| {
            document["min_versions"] = json!({"com.acme.demo": minimum});
        })
    };

    assert_eq!(with("1.2.1").rejected_for(), ["version_below_minimum"]);
    assert_eq!(with("1.2.0").verified_with(), [""; 0]);
}

#[test]
fn a_version_below_the_highest_is_worth_a_warning() {
    assert_eq!(Desk::new(&[1]).highest("1.2.0").verified_with(), [""; 0]);
    assert_eq!(Desk::new(&[1]).highest("1.3.0").verified_with(), ["version_below_highest"]);
}

#[test]
fn without_a_registry_the_version_check_is_skipped() {
    let mut desk = Desk::new(&[1]);
    desk.facts.registry = None;

    assert_eq!(
        desk.outcome(CheckStatus::Skipped).1,
        [
            "not_reached",
            "not_reached",
            "not_reached",
            "not_reached",
            "not_reached",
            "registry_not_consulted",
        ]
    );
}
