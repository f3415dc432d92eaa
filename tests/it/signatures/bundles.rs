//! Whole bundles through `verify`: the verdict, and which check it came from.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use plugboard::bundle::{BundleLimits, Reading};
use plugboard::config::SigningPolicy;
use plugboard::model::{
    Approval, ContentHash, KeyStatus, NameGlob, Stars, TargetWorld, TrustedKey,
};
use plugboard::trust::statement::{self, Subject};
use plugboard::trust::{
    Check, CheckStatus, Facts, RegistryFacts, Report, StagedUpload, TrustBundle, Verdict,
    Verification, examine, keys, verify,
};
use serde_json::json;
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::support::bundle_builder::BundleBuilder;

/// A folder for staged files, and a verifier that trusts key 1.
struct Desk {
    folder: TempDir,
    facts: Facts,
    trust: TrustBundle,
}

impl Desk {
    fn new() -> Self {
        let facts = Facts {
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            policy: SigningPolicy::Require,
            keys: vec![trusted(&key(1))],
            registry: Some(RegistryFacts::default()),
        };
        Self { folder: TempDir::new().unwrap(), facts, trust: TrustBundle::none() }
    }

    fn stage(&self, archive: &[u8]) -> StagedUpload {
        let content_hash = ContentHash::of(archive);
        let file: PathBuf = self.folder.path().join(content_hash.hex());
        fs::write(&file, archive).unwrap();
        let size = archive.len() as u64;
        let (expected_hash, signatures, kept, reading) = (None, vec![], vec![], None);
        StagedUpload { file, size, content_hash, expected_hash, signatures, kept, reading }
    }

    fn stage_signed(&self, bundle: &BundleBuilder, key: &SigningKey) -> StagedUpload {
        let mut upload = self.stage(&bundle.build());
        upload.signatures.push(sign(key, bundle));
        upload
    }

    fn verify(&self, upload: StagedUpload) -> Verification {
        verify(upload, &self.trust, &self.facts, &BundleLimits::default())
    }
}

#[test]
fn a_bundle_signed_by_a_trusted_key_is_verified() {
    let desk = Desk::new();
    let mut upload = desk.stage_signed(&demo(), &key(1));
    upload.expected_hash = Some(upload.content_hash);

    let (hash, size, envelope) = (upload.content_hash, upload.size, upload.signatures[0].clone());

    let Verification::Verified(bundle) = desk.verify(upload) else { panic!() };

    assert_eq!((bundle.content_hash(), bundle.size()), (hash, size));
    assert_eq!(bundle.manifest().name.as_str(), "com.acme.demo");
    assert_eq!(bundle.manifest_json(), demo().manifest_json());
    assert_eq!(bundle.signers()[0].name, "Release");
    assert_eq!(bundle.signatures(), [(keys::key_id(&key(1).verifying_key()), envelope)]);
    assert_eq!((bundle.component(), bundle.world(), bundle.approved_because()), (None, None, None));
    let paths: Vec<_> = bundle.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["manifest.json", "ui/index.html"]);
}

#[test]
fn the_report_of_a_verified_bundle_has_every_check_in_order() {
    let desk = Desk::new();
    let mut upload = desk.stage_signed(&demo(), &key(1));
    upload.expected_hash = Some(upload.content_hash);

    let report = desk.verify(upload).report().clone();

    let rows: Vec<_> = report.checks.iter().map(|row| (row.check, row.status)).collect();
    let pass = |check| (check, CheckStatus::Pass);
    assert_eq!(
        rows,
        [
            pass(Check::Transport),
            pass(Check::Integrity),
            pass(Check::Archive),
            pass(Check::Manifest),
            (Check::Component, CheckStatus::Skipped),
            pass(Check::Signature),
            pass(Check::Trust),
            pass(Check::Policy),
        ]
    );
    assert_eq!(report.verdict, Verdict::Verified);
    assert_eq!(report.extension.unwrap().version.to_string(), "1.2.0");
}

#[test]
fn another_hash_than_declared_is_refused() {
    let desk = Desk::new();
    let mut upload = desk.stage_signed(&demo(), &key(1));
    upload.expected_hash = Some(ContentHash::of(b"other"));

    let report = rejected(desk.verify(upload));

    assert_eq!(failure(&report), (Check::Transport, "hash_mismatch"));
    let after = report.checks.iter().filter(|row| row.check != Check::Transport);
    assert!(
        after.clone().count() == 7 && after.clone().all(|row| row.status == CheckStatus::Skipped)
    );
}

#[test]
fn a_bundle_that_changed_in_our_hands_is_not_judged() {
    let desk = Desk::new();
    for bytes in [demo().file("ui/a.js", "1").build(), b"damaged".to_vec()] {
        let upload = desk.stage_signed(&demo(), &key(1));
        fs::write(&upload.file, bytes).unwrap();

        let report = not_checked(desk.verify(upload));

        assert_eq!(failure(&report), (Check::Integrity, "staged_file_changed"));
    }
}

#[test]
fn a_bundle_that_was_read_while_it_arrived_is_not_read_again() {
    let desk = Desk::new();
    let mut upload = desk.stage_signed(&demo(), &key(1));
    upload.reading = Some(read(&upload.file));
    fs::remove_file(&upload.file).unwrap();

    let examination = examine(upload, &BundleLimits::default(), Stars::Refused);

    assert_eq!(examination.name().unwrap().as_str(), "com.acme.demo");
}

#[test]
fn what_was_read_of_another_bundle_does_not_count() {
    let desk = Desk::new();
    let other = desk.stage(&demo().file("ui/a.js", "1").build());
    let mut upload = desk.stage_signed(&demo(), &key(1));
    upload.reading = Some(read(&other.file));

    let examination = examine(upload, &BundleLimits::default(), Stars::Refused);
    let report = not_checked(examination.decide(&desk.trust, &desk.facts));

    assert_eq!(failure(&report), (Check::Integrity, "staged_file_changed"));
}

fn read(file: &Path) -> Reading {
    Reading::of(fs::File::open(file).unwrap(), &BundleLimits::default()).unwrap()
}

#[test]
fn a_bundle_that_cannot_be_read_is_not_judged() {
    let desk = Desk::new();
    let upload = desk.stage_signed(&demo(), &key(1));
    let file = upload.file.clone();
    fs::remove_file(&file).unwrap();
    assert_eq!(not_checked(desk.verify(upload)).verdict, Verdict::NotChecked);

    let upload = desk.stage_signed(&demo(), &key(1));
    // A folder opens and does not read.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(not_checked(desk.verify(upload)).verdict, Verdict::NotChecked);
}

#[test]
fn a_broken_archive_is_refused() {
    let desk = Desk::new();
    let whole = demo().build();

    let report = rejected(desk.verify(desk.stage(&whole[..whole.len() - 1])));

    assert_eq!(failure(&report).0, Check::Archive);
    assert_eq!(report.extension, None);
}

#[test]
fn every_problem_of_a_manifest_has_a_row() {
    let desk = Desk::new();
    let bundle = demo().manifest("version", json!("1.2.*")).manifest("mystery", json!(1));

    let report = rejected(desk.verify(desk.stage(&bundle.build())));

    assert_eq!(report.failed_check(), Some(Check::Manifest));
    let codes: Vec<_> = report.failures().map(|row| row.code.as_str()).collect();
    assert!(codes.contains(&"version_not_exact") && codes.contains(&"unknown_key"), "{codes:?}");
}

#[test]
fn declared_calls_need_a_component() {
    let desk = Desk::new();
    let bundle = demo().endpoint("GET", "/");

    let report = rejected(desk.verify(desk.stage_signed(&bundle, &key(1))));

    assert_eq!(failure(&report), (Check::Component, "component_missing"));
    assert!(report.extension.is_some());
}

#[test]
fn a_component_that_fits_no_world_is_refused() {
    let desk = Desk::new();
    let bundle = demo().component("no wasm");

    let report = rejected(desk.verify(desk.stage_signed(&bundle, &key(1))));

    assert_eq!(failure(&report).0, Check::Component);
}

#[test]
fn a_component_and_its_world_are_handed_on() {
    let desk = Desk::new();
    let bundle = demo().component(component()).endpoint("GET", "/");
    let mut upload = desk.stage(&bundle.build());
    let target_world = Some(TargetWorld::Extension);
    upload.signatures.push(statement::sign(&key(1), &Subject { target_world, ..subject(&bundle) }));

    let Verification::Verified(verified) = desk.verify(upload) else { panic!() };

    assert_eq!(verified.component(), Some(component().as_slice()));
    assert_eq!(verified.world(), target_world);
}

#[test]
fn files_that_are_not_there_are_worth_a_warning() {
    let desk = Desk::new();
    let bundle = BundleBuilder::new("com.acme.demo", "1.2.0")
        .manifest("ui", json!({"type": "iframe", "entry": "ui/index.html"}))
        .manifest("icon", json!("ui/icon.png"));

    let verification = desk.verify(desk.stage_signed(&bundle, &key(1)));

    let report = verification.report();
    assert_eq!(report.verdict, Verdict::Verified);
    for code in ["ui_entry_missing", "icon_missing"] {
        assert!(report.checks.iter().any(|row| row.code == code), "{code}");
    }
}

#[test]
fn an_unsigned_bundle_is_quarantined_and_an_approval_lets_it_out() {
    let mut desk = Desk::new();
    let stage = |desk: &Desk| desk.stage(&demo().build());
    let unsigned = quarantined(desk.verify(stage(&desk)));
    assert_eq!(failure(&unsigned), (Check::Signature, "unsigned"));

    let upload = stage(&desk);
    desk.facts.registry.as_mut().unwrap().approval = Some(Approval {
        content_hash: upload.content_hash,
        reason: "read line by line".to_owned(),
        approved_by: "operator ada".to_owned(),
        approved_at: desk.facts.now,
    });

    let Verification::Verified(bundle) = desk.verify(upload) else { panic!() };
    assert_eq!(bundle.approved_because(), Some("read line by line"));
    assert!(bundle.signers().is_empty());
}

#[test]
fn an_unknown_key_is_offered_and_counts_once_it_is_trusted() {
    let mut desk = Desk::new();
    let stage = |desk: &Desk| desk.stage_signed(&demo(), &key(9));

    let Verification::Quarantined(bundle) = desk.verify(stage(&desk)) else { panic!() };
    assert_eq!(failure(bundle.report()), (Check::Trust, "unknown_signer"));
    assert_eq!(statement::offered_key(&bundle.signatures()[0].1), Some(key(9).verifying_key()));

    desk.facts.keys.push(trusted(&key(9)));
    assert_eq!(desk.verify(stage(&desk)).report().verdict, Verdict::Verified);
}

#[test]
fn a_signature_for_another_bundle_is_refused() {
    let desk = Desk::new();
    let other = demo().file("ui/a.js", "1");
    for signer in [key(1), key(9)] {
        let mut upload = desk.stage(&demo().build());
        upload.signatures.push(sign(&signer, &other));

        let report = rejected(desk.verify(upload));

        assert_eq!(failure(&report), (Check::Signature, "statement_mismatch"));
    }
}

#[test]
fn a_kept_signature_that_is_bad_counts_for_nothing_and_good_ones_count() {
    let mut desk = Desk::new();
    desk.facts.keys.push(trusted(&key(9)));
    let bad = sign(&key(9), &demo().file("ui/a.js", "1"));
    let mut upload = desk.stage(&demo().build());
    upload.kept = vec![bad.clone(), sign(&key(1), &demo())];

    let Verification::Verified(bundle) = desk.verify(upload) else { panic!() };
    assert_eq!(bundle.signers().len(), 1);
    assert_eq!(bundle.signatures().len(), 1);

    let mut upload = desk.stage(&demo().build());
    upload.kept = vec![bad];
    assert_eq!(desk.verify(upload).report().verdict, Verdict::Quarantined);
}

#[test]
fn a_signature_that_names_another_extension_is_refused() {
    let desk = Desk::new();
    let mut upload = desk.stage(&demo().build());
    let subject = Subject { name: "com.acme.other".parse().unwrap(), ..subject(&demo()) };
    upload.signatures.push(statement::sign(&key(1), &subject));

    let report = rejected(desk.verify(upload));

    assert_eq!(failure(&report), (Check::Signature, "statement_mismatch"));
}

#[test]
fn a_bad_signature_is_refused_even_where_none_is_needed() {
    let mut desk = Desk::new();
    desk.facts.policy = SigningPolicy::AllowUnsigned;
    let mut upload = desk.stage_signed(&demo(), &key(1));
    let text = String::from_utf8(upload.signatures[0].clone()).unwrap();
    let at = text.rfind(r#""sig":""#).unwrap() + 10;
    upload.signatures[0][at] = if upload.signatures[0][at] == b'A' { b'B' } else { b'A' };

    let report = rejected(desk.verify(upload));

    assert_eq!(failure(&report), (Check::Signature, "bad_signature"));
}

#[test]
fn what_is_no_envelope_is_refused() {
    let desk = Desk::new();
    for (bytes, code) in [
        (&[7; 64][..], "unsupported_signature_format"),
        (b"untrusted comment: signature from minisign secret key", "unsupported_signature_format"),
        (b"-----BEGIN CERTIFICATE-----", "unsupported_signature_format"),
        (b"\xff\xfe\xfd", "malformed_envelope"),
        (b"", "malformed_envelope"),
        (" ".repeat(64 * 1024 + 1).as_bytes(), "signature_too_large"),
    ] {
        let mut upload = desk.stage(&demo().build());
        upload.signatures.push(bytes.to_vec());

        let report = rejected(desk.verify(upload));

        assert_eq!(failure(&report), (Check::Signature, code));
    }
}

#[test]
fn revoked_content_is_refused_as_a_bundle_and_not_as_a_signature() {
    let mut desk = Desk::new();
    let upload = desk.stage(&demo().build());
    let public = key(3).verifying_key();
    desk.trust = TrustBundle::load(
        &json!({
            "schema": "plugboard.trust/v1", "version": 1, "expires": "2027-01-01T00:00:00Z",
            "threshold": 1, "revoked_content": [upload.content_hash],
            "keys": [{"keyid": keys::key_id(&public), "alg": "ed25519",
                      "spki": keys::spki_base64(&public), "scopes": ["*"], "status": "active"}],
        })
        .to_string(),
        desk.facts.now,
    );

    assert_eq!(failure(&rejected(desk.verify(upload))), (Check::Policy, "content_revoked"));
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn trusted(key: &SigningKey) -> TrustedKey {
    let public = key.verifying_key();
    TrustedKey {
        id: keys::key_id(&public),
        public_key: public.to_bytes(),
        name: "Release".to_owned(),
        scopes: vec![NameGlob::everything()],
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        added_at: Timestamp::UNIX_EPOCH,
        added_by: "operator ada".to_owned(),
    }
}

fn demo() -> BundleBuilder {
    BundleBuilder::new("com.acme.demo", "1.2.0").page("<p>hello</p>")
}

/// What a right statement says of `bundle`.
fn subject(bundle: &BundleBuilder) -> Subject {
    let archive = bundle.build();
    Subject {
        name: "com.acme.demo".parse().unwrap(),
        version: "1.2.0".parse().unwrap(),
        star: None,
        content_hash: ContentHash::of(&archive),
        size: archive.len() as u64,
        manifest_sha256: statement::manifest_sha256(&bundle.manifest_json()),
        target_world: None,
    }
}

fn sign(key: &SigningKey, bundle: &BundleBuilder) -> Vec<u8> {
    statement::sign(key, &subject(bundle))
}

/// A component of the extension world that answers nothing.
fn component() -> Vec<u8> {
    let wit = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/extension/runner.wit"));
    let mut resolve = Resolve::default();
    let package = resolve.push_source("runner.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("runner")).unwrap();
    let module = r#"(module
        (func (export "handler") (param i32) (result i32) unreachable)
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#;
    let mut wasm = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&wasm).unwrap().encode().unwrap()
}

fn failure(report: &Report) -> (Check, &str) {
    let row = report.failures().next().expect("a failed check");
    assert_eq!(report.failed_check(), Some(row.check));
    (row.check, row.code.as_str())
}

fn rejected(verification: Verification) -> Report {
    let Verification::Rejected(report) = verification else { panic!("{verification:?}") };
    assert_eq!(report.verdict, Verdict::Rejected);
    report
}

fn quarantined(verification: Verification) -> Report {
    let Verification::Quarantined(bundle) = verification else { panic!("{verification:?}") };
    assert_eq!(bundle.report().verdict, Verdict::Quarantined);
    bundle.report().clone()
}

fn not_checked(verification: Verification) -> Report {
    let Verification::NotChecked(report) = verification else { panic!("{verification:?}") };
    assert_eq!(report.verdict, Verdict::NotChecked);
    report
}
