//! Signatures: which count, which are unknown, and which refuse the bundle.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::*;
use crate::trust::envelope::pae;
use crate::trust::fixtures::{bundle, bytes, envelope, key, signed, statement, trusted};
use crate::trust::statement::PAYLOAD_TYPE;

#[test]
fn a_signature_by_a_known_key_counts() {
    assert_eq!(judge(&signed(&statement(&key(1)), &[&key(1)])), Ok(known(1)));
}

#[test]
fn the_key_id_is_only_a_hint() {
    for keyid in [
        json!(null),
        json!(""),
        json!("release"),
        json!(keys::key_id(&key(9).verifying_key())),
        json!(id(2)),
    ] {
        let mut envelope = signed(&statement(&key(1)), &[&key(1)]);
        envelope["signatures"][0]["keyid"] = keyid;

        assert_eq!(judge(&envelope), Ok(known(1)));
    }
}

#[test]
fn several_signatures_of_one_envelope_count_once_per_key() {
    let mut envelope = signed(&statement(&key(1)), &[&key(1), &key(2), &key(1)]);
    // The same key under another id, as in tuf-conformance's `test_duplicate_sig_keyids`.
    envelope["signatures"][2]["keyid"] = json!(id(9));

    assert_eq!(judge(&envelope), Ok(vec![Signed::Known(id(1)), Signed::Known(id(2))]));
}

#[test]
fn the_same_signature_sent_twice_counts_once() {
    let envelope = bytes(&signed(&statement(&key(1)), &[&key(1)]));

    let facts = examine(&[envelope.clone(), envelope], &ring(), &bundle()).unwrap();

    assert_eq!(facts.len(), 1);
}

#[test]
fn a_valid_signature_by_a_key_nobody_knows_is_unknown() {
    let envelope = signed(&statement(&key(9)), &[&key(9)]);

    assert_eq!(judge(&envelope), Ok(vec![Signed::Unknown(key(9).verifying_key())]));
}

#[test]
fn without_a_key_nothing_can_be_said() {
    let mut statement = statement(&key(9));
    statement["predicate"].as_object_mut().unwrap().remove("signer");

    let named = signed(&statement, &[&key(9)]);
    let mut unnamed = named.clone();
    unnamed["signatures"][0].as_object_mut().unwrap().remove("keyid");

    assert_eq!(judge(&named), Ok(vec![Signed::Unavailable(Some(id(9)))]));
    assert_eq!(judge(&unnamed), Ok(vec![Signed::Unavailable(None)]));
}

#[test]
fn a_key_in_the_statement_counts_only_under_its_own_id() {
    let mut envelope = signed(&statement(&key(9)), &[&key(9)]);
    envelope["signatures"][0]["keyid"] = json!(id(8));

    assert_eq!(judge(&envelope), Ok(vec![Signed::Unavailable(Some(id(8)))]));
}

#[test]
fn a_changed_signature_is_bad_whoever_signed() {
    for signer in [key(1), key(9)] {
        for bit in [0, 255, 256, 511] {
            let mut envelope = signed(&statement(&signer), &[&signer]);
            change(&mut envelope, "/signatures/0/sig", |sig| sig[bit / 8] ^= 1 << (bit % 8));

            assert_eq!(judge(&envelope), Err("bad_signature".to_owned()), "bit {bit}");
        }
    }
}

#[test]
fn a_signature_over_other_bytes_is_bad() {
    for signer in [key(1), key(9)] {
        let mut envelope = signed(&statement(&signer), &[&signer]);
        change(&mut envelope, "/payload", |payload| payload.push(b' '));
        assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));

        let mut envelope = signed(&statement(&signer), &[&signer]);
        envelope["payloadType"] = json!("application/json");
        assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
    }
}

#[test]
fn one_bad_signature_refuses_the_good_ones_too() {
    let mut envelope = signed(&statement(&key(1)), &[&key(1), &key(2)]);
    change(&mut envelope, "/signatures/1/sig", |sig| sig[0] ^= 1);

    assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
}

#[test]
fn a_signature_has_exactly_64_bytes() {
    for signer in [key(1), key(9)] {
        for length in [0, 63, 65, 128] {
            let mut envelope = signed(&statement(&signer), &[&signer]);
            change(&mut envelope, "/signatures/0/sig", |sig| sig.resize(length, 0));

            assert_eq!(judge(&envelope), Err("bad_signature".to_owned()), "{length}");
        }
    }
}

#[test]
fn a_signature_of_another_length_is_bad_even_without_a_key() {
    let mut statement = statement(&key(9));
    statement["predicate"].as_object_mut().unwrap().remove("signer");
    let mut envelope = signed(&statement, &[&key(9)]);
    change(&mut envelope, "/signatures/0/sig", |sig| sig.push(0));

    assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
}

#[test]
fn random_bytes_are_no_signature() {
    let noise = |seed: u8| -> Vec<u8> { Sha512::digest([seed]).to_vec() };
    for seed in 0..32 {
        for signer in [key(1), key(9)] {
            let mut envelope = signed(&statement(&signer), &[&signer]);
            envelope["signatures"][0]["sig"] = json!(STANDARD.encode(noise(seed)));

            assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
        }
    }
}

#[test]
fn signatures_made_for_other_protocols_are_bad() {
    let payload = statement(&key(1)).to_string();
    let length = payload.len();
    let hash = bundle().content_hash;
    let leading_zero = format!("DSSEv1 0{} {PAYLOAD_TYPE} {length} {payload}", PAYLOAD_TYPE.len());
    let other_length = format!("DSSEv1 {} {PAYLOAD_TYPE} 0{length} {payload}", PAYLOAD_TYPE.len());
    let other_version = format!("DSSEv2 {} {PAYLOAD_TYPE} {length} {payload}", PAYLOAD_TYPE.len());
    for message in [
        payload.as_bytes(),
        hash.as_bytes(),
        hash.to_string().as_bytes(),
        hash.hex().as_bytes(),
        leading_zero.as_bytes(),
        other_length.as_bytes(),
        other_version.as_bytes(),
        &pae("application/json", payload.as_bytes()),
    ] {
        let mut envelope = signed(&statement(&key(1)), &[&key(1)]);
        envelope["signatures"][0]["sig"] = json!(STANDARD.encode(key(1).sign(message).to_bytes()));

        assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
    }
}

#[test]
fn a_message_code_made_with_the_public_key_is_no_signature() {
    let message = pae(PAYLOAD_TYPE, statement(&key(1)).to_string().as_bytes());
    let mut envelope = signed(&statement(&key(1)), &[&key(1)]);
    let code = hmac_sha512(key(1).verifying_key().as_bytes(), &message);
    envelope["signatures"][0]["sig"] = json!(STANDARD.encode(code));

    assert_eq!(judge(&envelope), Err("bad_signature".to_owned()));
}

#[test]
fn a_right_signature_with_another_payload_type_is_refused() {
    let payload = statement(&key(1)).to_string();
    let envelope = envelope("application/json", payload.as_bytes(), &[&key(1)]);

    assert_eq!(judge(&envelope), Err("unsupported_payload_type".to_owned()));
}

#[test]
fn a_signature_for_another_bundle_is_refused_whoever_signed() {
    for signer in [key(1), key(9)] {
        let other = Subject { content_hash: crate::model::ContentHash::of(b"b"), ..bundle() };
        let envelope = statement::sign(&signer, &other);

        let finding = examine(&[envelope], &ring(), &bundle()).unwrap_err();

        assert_eq!(finding.code, "statement_mismatch");
    }
}

#[test]
fn a_weak_or_foreign_key_in_the_statement_is_refused() {
    let weak = format!("302a300506032b657003210001{}", "00".repeat(31));
    for spki in [STANDARD.encode(hex::decode(weak).unwrap()), "AAAA".to_owned()] {
        let mut statement = statement(&key(9));
        statement["predicate"]["signer"]["spki"] = json!(spki);

        assert_eq!(judge(&signed(&statement, &[&key(9)])), Err("signer_key_invalid".to_owned()));
    }
}

#[test]
fn sixteen_envelopes_are_the_most() {
    let envelopes = vec![bytes(&signed(&statement(&key(1)), &[&key(1)])); MAX_ENVELOPES + 1];

    assert!(examine(&envelopes[1..], &ring(), &bundle()).is_ok());
    let finding = examine(&envelopes, &ring(), &bundle()).unwrap_err();
    assert_eq!(finding.code, "too_many_signatures");
}

#[test]
fn url_safe_base64_is_read_like_the_other() {
    let mut envelope = signed(&statement(&key(1)), &[&key(1)]);
    for pointer in ["/payload", "/signatures/0/sig"] {
        let text = envelope.pointer(pointer).unwrap().as_str().unwrap();
        let url_safe = text.replace('+', "-").replace('/', "_").replace('=', "");
        *envelope.pointer_mut(pointer).unwrap() = json!(url_safe);
    }

    assert_eq!(judge(&envelope), Ok(known(1)));
}

fn id(seed: u8) -> KeyId {
    keys::key_id(&key(seed).verifying_key())
}

fn known(seed: u8) -> Vec<Signed> {
    vec![Signed::Known(id(seed))]
}

fn ring() -> KeyRing {
    KeyRing::new(&[trusted(&key(1)), trusted(&key(2))])
}

fn judge(envelope: &Value) -> Result<Vec<Signed>, String> {
    let facts = examine(&[bytes(envelope)], &ring(), &bundle());
    let signed = |facts: Vec<SignatureFact>| facts.into_iter().map(|fact| fact.signed).collect();
    facts.map(signed).map_err(|finding| finding.code.into_owned())
}

/// Changes the bytes behind a base64 member.
fn change(envelope: &mut Value, pointer: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let member = envelope.pointer_mut(pointer).unwrap();
    let mut bytes = STANDARD.decode(member.as_str().unwrap()).unwrap();
    change(&mut bytes);
    *member = json!(STANDARD.encode(bytes));
}

fn hmac_sha512(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| -> Vec<u8> {
        let mut block = key.to_vec();
        block.resize(128, 0);
        block.iter().map(|k| k ^ byte).collect()
    };
    let inner = Sha512::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha512::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn the_message_code_is_computed_as_rfc_4231_says() {
    let code = hmac_sha512(b"Jefe", b"what do ya want for nothing?");

    assert!(hex::encode(code).starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd6"));
}
