//! Statements: every fact must be a fact of the bundle.

use serde_json::json;

use super::*;
use crate::trust::fixtures::{bundle, bytes, envelope, key, signed, statement};

#[test]
fn what_we_sign_is_the_documented_statement() {
    let parsed = Envelope::parse(&sign(&key(1), &bundle())).unwrap();

    assert_eq!(parsed.payload_type, "application/vnd.in-toto+json");
    let payload: Value = serde_json::from_slice(&parsed.payload).unwrap();
    assert_eq!(payload, statement(&key(1)));
    assert_eq!(parsed.signatures[0].claimed, Some(keys::key_id(&key(1).verifying_key())));
    assert_eq!(check(&parsed, &bundle()), Ok(()));
}

#[test]
fn each_stated_fact_must_be_the_bundles() {
    for (pointer, value) in [
        ("/subject/0/digest/sha256", json!(ContentHash::of(b"other").hex())),
        ("/subject/0/digest/sha256", json!(ContentHash::of(b"bundle").to_string())),
        ("/subject/0/name", json!("com.acme.demo")),
        ("/predicate/extensionId", json!("com.acme.dem0")),
        ("/predicate/version", json!("1.2.1")),
        ("/predicate/size", json!(7)),
        ("/predicate/manifestSha256", json!(hex::encode([8; 32]))),
        ("/predicate/targetWorld", json!("wasi:http/proxy")),
    ] {
        let mut statement = statement(&key(1));
        *statement.pointer_mut(pointer).unwrap() = value;

        assert_eq!(verdict(&statement), "statement_mismatch", "{pointer}");
    }
}

#[test]
fn optional_facts_may_be_absent() {
    for member in ["manifestSha256", "targetWorld", "signer"] {
        let mut statement = statement(&key(1));
        statement["predicate"].as_object_mut().unwrap().remove(member);

        assert_eq!(verdict(&statement), "ok", "{member}");
    }
}

#[test]
fn needed_facts_must_be_there() {
    for member in ["extensionId", "version", "size"] {
        let mut statement = statement(&key(1));
        statement["predicate"].as_object_mut().unwrap().remove(member);

        assert_eq!(verdict(&statement), "malformed_statement", "{member}");
    }
}

#[test]
fn members_that_are_not_known_are_ignored() {
    let mut statement = statement(&key(1));
    statement["predicate"]["buildUrl"] = json!("https://example.com");
    statement["subject"][0]["digest"]["sha512"] = json!("00");

    assert_eq!(verdict(&statement), "ok");
}

#[test]
fn there_is_exactly_one_subject() {
    let mut two = statement(&key(1));
    let subject = two["subject"][0].clone();
    two["subject"].as_array_mut().unwrap().push(subject);
    let mut none = statement(&key(1));
    none["subject"] = json!([]);

    assert_eq!(verdict(&two), "malformed_statement");
    assert_eq!(verdict(&none), "malformed_statement");
}

#[test]
fn a_statement_about_something_else_does_not_count() {
    for (member, value) in [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://slsa.dev/provenance/v1"),
    ] {
        let mut statement = statement(&key(1));
        statement[member] = json!(value);

        assert_eq!(verdict(&statement), "unsupported_statement", "{member}");
    }
    let payload = statement(&key(1)).to_string();
    for payload_type in ["application/json", "application/vnd.in-toto+JSON", ""] {
        let envelope = envelope(payload_type, payload.as_bytes(), &[&key(1)]);

        assert_eq!(code(&bytes(&envelope)), "unsupported_payload_type", "{payload_type}");
    }
}

#[test]
fn a_statement_is_strict_json() {
    let text = statement(&key(1)).to_string();
    let twice = text.replacen(r#""size":6"#, r#""size":7,"size":6"#, 1);
    for payload in [twice, format!("\u{feff}{text}"), format!("{text} x"), "null".to_owned()] {
        let envelope = envelope(PAYLOAD_TYPE, payload.as_bytes(), &[&key(1)]);

        assert_eq!(code(&bytes(&envelope)), "malformed_statement", "{payload}");
    }
}

#[test]
fn a_key_is_offered_only_if_it_made_the_signature() {
    let ours = key(1).verifying_key();
    let theirs = signed(&statement(&key(1)), &[&key(2)]);

    assert_eq!(offered_key(&sign(&key(1), &bundle())), Some(ours));
    assert_eq!(offered_key(&bytes(&theirs)), None);
    assert_eq!(offered_key(b"{}"), None);
}

#[test]
fn an_envelope_says_which_bundle_it_claims_to_be_for() {
    let Subject { content_hash, size, .. } = bundle();

    assert_eq!(claimed_bundle(&sign(&key(1), &bundle())), Some((content_hash, size)));
    assert_eq!(claimed_bundle(b"{}"), None);
}

#[test]
fn text_from_a_statement_is_shown_short_and_plain() {
    assert_eq!(shown("a\u{202e}b\u{1b}[1m"), "a\\u{202e}b\\u{1b}[1m");
    assert_eq!(shown(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
}

fn verdict(statement: &Value) -> String {
    code(&bytes(&signed(statement, &[&key(1)])))
}

fn code(envelope: &[u8]) -> String {
    let envelope = Envelope::parse(envelope).unwrap();
    check(&envelope, &bundle()).map_or_else(|finding| finding.code.into_owned(), |()| "ok".into())
}
