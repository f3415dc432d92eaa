//! Rows for the tests of this module.

use jiff::Timestamp;
use serde_json::json;

use crate::model::{
    Actor, AuditAction, AuditEvent, ContentHash, ExtensionVersion, Install, InstallId, KeyId,
    KeyStatus, NameGlob, Operator, Quarantined, Session, TenantId, Token, TrustedKey, Upload,
    UploadId,
};

use super::Registry;

pub(super) fn registry() -> Registry {
    Registry::in_memory(at(0)).unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// A version by the publisher `Acme` whose bundle is the bytes of `content`.
pub(super) fn version(name: &str, number: &str, content: &str) -> ExtensionVersion {
    version_by("Acme", name, number, content)
}

pub(super) fn version_by(
    publisher: &str,
    name: &str,
    number: &str,
    content: &str,
) -> ExtensionVersion {
    serde_json::from_value(json!({
        "name": name,
        "version": number,
        "content_hash": ContentHash::of(content.as_bytes()),
        "size": content.len(),
        "manifest": {
            "name": name, "publisher": publisher, "version": number, "runtime": "wasm-js@1",
        },
        "world": null,
        "signers": [],
        "approved_because": null,
        "files": [],
        "published_at": at(0),
        "published_by": "operator ada",
    }))
    .unwrap()
}

pub(super) fn install(tenant: &str, version: &ExtensionVersion) -> Install {
    Install {
        id: InstallId::random(),
        tenant: tenant.parse().unwrap(),
        name: version.name.clone(),
        version: version.version.clone(),
        content_hash: version.content_hash,
        enabled: true,
        grants: [].into(),
        egress: Vec::new(),
        settings: serde_json::Map::new(),
        previous: None,
        installed_at: at(0),
        updated_at: at(0),
    }
}

pub(super) fn token(tenant: &str, id: &str) -> Token {
    Token {
        id: id.parse().unwrap(),
        name: "build".to_owned(),
        tenant: tenant.parse().unwrap(),
        scopes: vec!["ext:invoke".parse().unwrap()],
        secret_sha256: [3; 32],
        created_at: at(0),
        created_by: "operator ada".to_owned(),
        expires_at: at(1000),
        user: None,
        last_used_at: None,
    }
}

pub(super) fn operator(name: &str) -> Operator {
    Operator {
        name: name.parse().unwrap(),
        password_hash: "$argon2id$".to_owned(),
        created_at: at(0),
        password_changed_at: at(0),
    }
}

pub(super) fn session(operator: &str, id: u8, begun: Timestamp) -> Session {
    Session {
        operator: operator.parse().unwrap(),
        id_sha256: [id; 32],
        created_at: begun,
        last_seen_at: begun,
        authenticated_at: begun,
    }
}

pub(super) fn trusted_key(seed: u8) -> TrustedKey {
    TrustedKey {
        id: KeyId::of_spki(&[seed]),
        public_key: [seed; 32],
        name: format!("key {seed}"),
        scopes: vec![NameGlob::everything()],
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        added_at: at(0),
        added_by: "operator ada".to_owned(),
    }
}

pub(super) fn quarantined(content: &str, since: Timestamp) -> Quarantined {
    Quarantined {
        content_hash: ContentHash::of(content.as_bytes()),
        name: "hello".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        size: 10,
        quarantined_at: since,
        expires_at: at(since.as_second() + 100),
        published_by: "token aaaaaaaa".to_owned(),
        report: json!({}),
    }
}

pub(super) fn upload(tenant: &str, length: u64) -> Upload {
    Upload {
        id: UploadId::random(),
        tenant: tenant.parse().unwrap(),
        owner: "token aaaaaaaa".to_owned(),
        length,
        offset: 0,
        declared_hash: None,
        filename: "hello.tar.zst".to_owned(),
        created_at: at(0),
        expires_at: at(1000),
        presigned: None,
        finished: false,
        report: None,
    }
}

pub(super) fn audit_event(subject: &str) -> AuditEvent {
    AuditEvent {
        at: at(1),
        actor: Actor::System,
        action: AuditAction::Installed,
        tenant: None,
        subject: subject.to_owned(),
        detail: None,
    }
}
