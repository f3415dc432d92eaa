//! Trust bundles: both shapes, and that nothing unusable passes for none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::trust::fixtures::{at, key, now};

#[test]
fn an_empty_setting_is_no_trust_bundle() {
    for setting in ["", " \n"] {
        let bundle = TrustBundle::load(setting, now());
        assert_eq!(bundle.status(now()), TrustBundleStatus::NotConfigured);
        assert_eq!(bundle.problem(now()), None);
    }
}

#[test]
fn a_list_of_public_keys_trusts_each_for_every_name() {
    let text = pem(1) + &pem(2);

    let bundle = TrustBundle::load(&text, now());

    assert_eq!(bundle.status(now()), TrustBundleStatus::Usable { keys: 2, expires: None });
    assert_eq!((bundle.threshold(), bundle.version()), (1, None));
    let first = &bundle.keys()[0];
    assert_eq!(first.id, keys::key_id(&key(1).verifying_key()));
    assert_eq!(
        (first.scopes.as_slice(), first.status),
        (&[NameGlob::everything()][..], KeyStatus::Active)
    );
}

#[test]
fn the_documented_json_is_read() {
    let hash = ContentHash::of(b"revoked");
    let mut document = document();
    document["keys"][0]["not_before"] = json!("2026-01-01T00:00:00Z");
    document["keys"][0]["revoked_at"] = json!(null);
    document["keys"][0]["reason"] = json!(null);
    document["revoked_content"] = json!([hash]);
    document["min_versions"] = json!({"com.acme.demo": "1.4.2"});
    document["signatures"] = json!([{"keyid": "any", "sig": "any"}]);

    let bundle = TrustBundle::load(&document.to_string(), now());

    let expires = Some(at("2027-11-01T00:00:00Z"));
    assert_eq!(bundle.status(now()), TrustBundleStatus::Usable { keys: 2, expires });
    assert_eq!((bundle.threshold(), bundle.version()), (2, Some(7)));
    assert!(bundle.revokes(&hash) && !bundle.revokes(&ContentHash::of(b"")));
    assert_eq!(bundle.min_version(&"com.acme.demo".parse().unwrap()), Some(&Version::new(1, 4, 2)));
    let first = &bundle.keys()[0];
    assert_eq!(
        (first.name.as_str(), first.scopes[0].to_string().as_str()),
        ("Key 1", "com.acme.*")
    );
    assert_eq!(first.not_before, Some(at("2026-01-01T00:00:00Z")));
}

#[test]
fn a_file_is_told_apart_by_its_content_and_not_by_its_name() {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("keys.json", pem(1)), ("keys.pem", document().to_string())] {
        let file = write(&folder, name, &text, 0o644);
        assert_eq!(problem(&file), None, "{name}");
    }
}

#[test]
fn a_key_id_that_is_not_the_keys_refuses_the_document() {
    let mut document = document();
    document["keys"][0]["keyid"] = json!(keys::key_id(&key(9).verifying_key()));

    assert!(
        refused(&document).starts_with("key 1 of the trust bundle is not usable: its keyid is")
    );
}

#[test]
fn only_ed25519_keys_that_are_not_weak_are_taken() {
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("ecdsa-p256")),
        (
            "spki",
            json!(
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEigIBtPel0UHY3SnO6bAmEjyIH1rQ3pYyP9sRbbMBdvo+7OkWRmWVlkIAW430/CBaF+LXL8R7T6twhJn0KQm5Sw=="
            ),
        ),
        ("spki", json!("MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        ("spki", json!("")),
    ] {
        let mut document = document();
        document["keys"][0][member] = value;
        assert!(refused(&document).starts_with("key 1 of the trust bundle"), "{member}");
    }
}

#[test]
fn a_block_with_another_label_is_not_taken_for_a_key() {
    let text = pem(1).replace("PUBLIC KEY", "ED25519 KEY");

    assert!(refused_text(&text).ends_with("it is a `ED25519 KEY`"));
}

#[test]
fn a_key_must_not_be_there_twice() {
    let mut document = document();
    document["keys"][1] = document["keys"][0].clone();

    assert!(refused(&document).contains("twice"));
    assert!(refused_text(&(pem(1) + &pem(1))).contains("twice"));
}

#[test]
fn a_document_must_be_complete_and_known() {
    for member in ["version", "expires", "threshold", "keys"] {
        let mut document = document();
        document.as_object_mut().unwrap().remove(member);
        assert!(refused(&document).starts_with("the trust bundle is not valid"), "{member}");
    }
    let mut unknown = document();
    unknown["revoked_keys"] = json!([]);
    let mut misspelled = document();
    misspelled["keys"][0]["not_aftr"] = json!("2026-01-01T00:00:00Z");
    let mut status = document();
    status["keys"][0]["status"] = json!("REVOKED");
    let mut other = document();
    other["schema"] = json!("plugboard.trust/v2");
    let twice = document().to_string().replacen(
        r#""status":"active""#,
        r#""status":"revoked","status":"active""#,
        1,
    );

    for document in [unknown, misspelled, status] {
        assert!(refused(&document).starts_with("the trust bundle is not valid"), "{document}");
    }
    assert!(refused(&other).contains("plugboard.trust/v2"));
    assert!(refused_text(&twice).contains("occurs twice"));
}

#[test]
fn a_threshold_must_be_possible() {
    for (threshold, possible) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut document = document();
        document["threshold"] = json!(threshold);
        assert_eq!(load(&document).problem(now()).is_none(), possible, "{threshold}");
    }
    let mut document = document();
    document["keys"][0]["status"] = json!("revoked");
    assert!(refused(&document).contains("it has 1 keys"));
}

#[test]
fn a_document_that_revokes_every_key_is_usable() {
    let mut document = document();
    document["keys"][0]["status"] = json!("revoked");
    document["keys"][1]["status"] = json!("revoked");

    assert_eq!(load(&document).problem(now()), None);
}

#[test]
fn an_expired_document_is_unusable_and_keeps_its_reason() {
    let document = document().to_string();
    let expires = at("2027-11-01T00:00:00Z");

    assert_eq!(
        TrustBundle::load(&document, expires).problem(now()),
        Some(TrustBundleError::Expired(expires))
    );
    let loaded_before = TrustBundle::load(&document, now());
    assert_eq!(loaded_before.problem(expires), Some(TrustBundleError::Expired(expires)));
}

#[test]
fn what_is_no_trust_bundle_is_unusable_and_never_none() {
    let folder = TempDir::new().unwrap();
    let private = keys::generate().unwrap().private_pem.to_string();
    let no_keys = {
        let mut d = document();
        d["keys"] = json!([]);
        d.to_string()
    };
    let file = |name, text: &str| write(&folder, name, text, 0o600);
    for setting in [
        folder.path().to_str().unwrap().to_owned(),
        folder.path().join("missing").to_str().unwrap().to_owned(),
        file("empty", ""),
        file("blank", "\n"),
        file("text", "hello"),
        file("array", "[]"),
        file("path", "/etc/hostname"),
        "not a path".to_owned(),
        "true".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        no_keys,
        private,
        pem(1) + "hello",
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        "\0".to_owned(),
    ] {
        let bundle = TrustBundle::load(&setting, now());
        assert!(matches!(bundle.status(now()), TrustBundleStatus::Unusable { .. }), "{setting}");
        assert!(bundle.keys().is_empty());
    }
}

#[test]
fn a_file_that_others_can_write_is_unusable() {
    let folder = TempDir::new().unwrap();
    for (mode, fine) in
        [(0o600, true), (0o644, true), (0o664, false), (0o646, false), (0o602, false)]
    {
        let file = write(&folder, "keys", &pem(1), mode);
        let error = (!fine).then_some(TrustBundleError::Writable(mode));
        assert_eq!(problem(&file), error, "{mode:o}");
    }
}

#[test]
fn a_file_of_another_user_is_unusable() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "keys", &pem(1), 0o644);
    // Only root can give a file away.
    if std::os::unix::fs::chown(&file, Some(12_345), None).is_ok() {
        assert_eq!(problem(&file), Some(TrustBundleError::Owner(12_345)));
    }
}

#[test]
fn a_link_leads_to_the_file_that_is_judged() {
    let folder = TempDir::new().unwrap();
    write(&folder, "keys", &pem(1), 0o666);
    let link = folder.path().join("link");
    symlink("keys", &link).unwrap();

    assert_eq!(problem(link.to_str().unwrap()), Some(TrustBundleError::Writable(0o666)));
}

#[test]
fn a_pipe_or_an_endless_file_holds_up_nothing() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let large = write(&folder, "large", &" ".repeat(1024 * 1024 + 5), 0o600);

    assert_eq!(problem(pipe.to_str().unwrap()), Some(TrustBundleError::NotAFile));
    assert_eq!(problem("/dev/zero"), Some(TrustBundleError::NotAFile));
    assert_eq!(problem(&large), Some(TrustBundleError::TooLarge(source::MAX_BYTES + 1)));
}

fn pem(seed: u8) -> String {
    keys::public_pem(&key(seed).verifying_key())
}

/// A document with keys 1 and 2 and threshold 2.
fn document() -> Value {
    let row = |seed: u8| {
        let key = key(seed).verifying_key();
        json!({
            "keyid": keys::key_id(&key), "alg": "ed25519", "spki": keys::spki_base64(&key),
            "name": format!("Key {seed}"), "scopes": ["com.acme.*"], "status": "active",
        })
    };
    json!({
        "schema": "plugboard.trust/v1", "version": 7, "issued": "2026-11-01T00:00:00Z",
        "expires": "2027-11-01T00:00:00Z", "threshold": 2, "keys": [row(1), row(2)],
    })
}

fn load(document: &Value) -> TrustBundle {
    TrustBundle::load(&document.to_string(), now())
}

fn refused(document: &Value) -> String {
    refused_text(&document.to_string())
}

fn refused_text(text: &str) -> String {
    TrustBundle::load(text, now()).problem(now()).expect("unusable").to_string()
}

fn problem(setting: &str) -> Option<TrustBundleError> {
    TrustBundle::load(setting, now()).problem(now())
}

fn write(folder: &TempDir, name: &str, text: &str, mode: u32) -> String {
    let file: PathBuf = folder.path().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_owned()
}
