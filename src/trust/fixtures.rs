//! What the tests of this module share: keys, a bundle, a moment.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::pae;
use super::keys;
use super::statement::{PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Subject};
use crate::model::{ContentHash, KeyStatus, NameGlob, TargetWorld, TrustedKey};

pub(super) const NOW: &str = "2026-11-23T12:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    at(NOW)
}

/// A key that is the same in every run.
pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// An entry that trusts `key` for every name.
pub(super) fn trusted(key: &SigningKey) -> TrustedKey {
    let public = key.verifying_key();
    TrustedKey {
        id: keys::key_id(&public),
        public_key: public.to_bytes(),
        name: "Release".to_owned(),
        scopes: vec![NameGlob::everything()],
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        added_at: now(),
        added_by: "operator ada".to_owned(),
    }
}

pub(super) fn bundle() -> Subject {
    Subject {
        name: "com.acme.demo".parse().unwrap(),
        version: "1.2.0".parse().unwrap(),
        star: None,
        content_hash: ContentHash::of(b"bundle"),
        size: 6,
        manifest_sha256: [7; 32],
        target_world: Some(TargetWorld::Extension),
    }
}

/// The statement of [`bundle`] by `signer`, to be changed by a test.
pub(super) fn statement(signer: &SigningKey) -> Value {
    json!({
        "_type": STATEMENT_TYPE,
        "subject": [{
            "name": "com.acme.demo@1.2.0",
            "digest": {"sha256": ContentHash::of(b"bundle").hex()},
        }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "extensionId": "com.acme.demo",
            "version": "1.2.0",
            "size": 6,
            "manifestSha256": hex::encode([7; 32]),
            "targetWorld": "alga:extension/runner",
            "signer": {"spki": keys::spki_base64(&signer.verifying_key())},
        },
    })
}

/// An envelope over any payload, signed rightly by each signer.
pub(super) fn envelope(payload_type: &str, payload: &[u8], signers: &[&SigningKey]) -> Value {
    let message = pae(payload_type, payload);
    let signatures: Vec<_> = signers
        .iter()
        .map(|signer| {
            let id = keys::key_id(&signer.verifying_key());
            json!({"keyid": id, "sig": STANDARD.encode(signer.sign(&message).to_bytes())})
        })
        .collect();
    json!({
        "payloadType": payload_type,
        "payload": STANDARD.encode(payload),
        "signatures": signatures,
    })
}

/// An envelope over a statement, signed rightly.
pub(super) fn signed(statement: &Value, signers: &[&SigningKey]) -> Value {
    envelope(PAYLOAD_TYPE, statement.to_string().as_bytes(), signers)
}

pub(super) fn bytes(envelope: &Value) -> Vec<u8> {
    envelope.to_string().into_bytes()
}
