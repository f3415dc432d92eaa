//! The signed statement: which bundle a signature is for.
//!
//! A DSSE envelope around an in-toto Statement 1 (docs/SECURITY.md,
//! "Signatures"). The signature covers the bundle's hash together with its name
//! and version, so that it fits no other bundle, and the payload type, so that
//! it fits no other protocol.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::envelope::{Envelope, pae};
use super::report::Finding;
use super::{keys, strict_json};
use crate::model::{ContentHash, ExtensionName, StarVersion, TargetWorld};

/// The payload type of every statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of every statement about a bundle.
pub const PREDICATE_TYPE: &str = "https://plugboard.dev/attestation/bundle/v1";

/// The bundle a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: ExtensionName,
    pub version: Version,
    /// What the manifest says instead of `version`, if it says `X.Y.*`.
    pub star: Option<StarVersion>,
    pub content_hash: ContentHash,
    /// Bytes of the compressed archive.
    pub size: u64,
    /// SHA-256 of the manifest as it is in the bundle.
    pub manifest_sha256: [u8; 32],
    /// `None` for an extension that is only pages.
    pub target_world: Option<TargetWorld>,
}

#[derive(Serialize, Deserialize)]
struct StatementJson {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<SubjectJson>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

#[derive(Serialize, Deserialize)]
struct SubjectJson {
    name: String,
    digest: DigestJson,
}

#[derive(Serialize, Deserialize)]
struct DigestJson {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PredicateJson {
    extension_id: String,
    version: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_world: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<SignerJson>,
}

#[derive(Serialize, Deserialize)]
struct SignerJson {
    spki: String,
}

/// Signs a bundle: the envelope, as JSON.
pub fn sign(key: &SigningKey, subject: &Subject) -> Vec<u8> {
    let public = key.verifying_key();
    let payload = write(subject, &public);
    let signature = key.sign(&pae(PAYLOAD_TYPE, &payload)).to_bytes();
    Envelope::write(PAYLOAD_TYPE, &payload, &keys::key_id(&public), &signature)
}

/// The key in an envelope's statement, if it made one of the envelope's signatures.
///
/// Never a reason to trust it: this is what an operator can be offered to trust.
pub fn offered_key(envelope: &[u8]) -> Option<VerifyingKey> {
    let envelope = Envelope::parse(envelope).ok()?;
    let key = embedded_key(&envelope)?.ok()?;
    let message = envelope.message();
    let mut signatures = envelope.signatures.iter();
    signatures.any(|s| keys::signature_is_valid(&key, &message, &s.bytes)).then_some(key)
}

/// The hash and the size of the bundle that an envelope says it is for.
///
/// A claim and no more: it spares a sender the hashing of its own file, and whoever
/// receives the file compares.
pub fn claimed_bundle(envelope: &[u8]) -> Option<(ContentHash, u64)> {
    let envelope = Envelope::parse(envelope).ok()?;
    let statement: StatementJson = strict_json::parse(&envelope.payload).ok()?;
    let [subject] = statement.subject.as_slice() else { return None };
    let hash = format!("sha256:{}", subject.digest.sha256).parse().ok()?;
    let predicate: PredicateJson = serde_json::from_value(statement.predicate).ok()?;
    Some((hash, predicate.size))
}

/// The SHA-256 of a manifest, as a [`Subject`] has it.
pub fn manifest_sha256(manifest: &[u8]) -> [u8; 32] {
    Sha256::digest(manifest).into()
}

impl Subject {
    /// What the statement calls the bundle.
    fn title(&self) -> String {
        format!("{}@{}", self.name, self.stated_version())
    }

    /// The version as the manifest says it: signers do not know what a star will stand for.
    fn stated_version(&self) -> String {
        self.star.map_or_else(|| self.version.to_string(), |star| star.to_string())
    }
}

fn write(subject: &Subject, signer: &VerifyingKey) -> Vec<u8> {
    let predicate = PredicateJson {
        extension_id: subject.name.to_string(),
        version: subject.stated_version(),
        size: subject.size,
        manifest_sha256: Some(hex::encode(subject.manifest_sha256)),
        target_world: subject.target_world.map(|world| world.as_str().to_owned()),
        signer: Some(SignerJson { spki: keys::spki_base64(signer) }),
    };
    let statement = StatementJson {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![SubjectJson {
            name: subject.title(),
            digest: DigestJson { sha256: subject.content_hash.hex() },
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: serde_json::to_value(predicate).expect("strings and numbers always encode"),
    };
    serde_json::to_vec(&statement).expect("strings and numbers always encode")
}

/// The key that travels in the statement; an error if it is there and unusable.
pub(super) fn embedded_key(envelope: &Envelope) -> Option<Result<VerifyingKey, keys::KeyError>> {
    let statement: StatementJson = strict_json::parse(&envelope.payload).ok()?;
    let predicate: PredicateJson = serde_json::from_value(statement.predicate).ok()?;
    Some(keys::parse_public(&predicate.signer?.spki))
}

/// Holds an envelope's statement against the bundle it was sent with.
pub(super) fn check(envelope: &Envelope, bundle: &Subject) -> Result<(), Finding> {
    // A signature for another protocol must not count, however valid.
    expect_type("unsupported_payload_type", "payloadType", PAYLOAD_TYPE, &envelope.payload_type)?;
    let statement: StatementJson = strict_json::parse(&envelope.payload).map_err(malformed)?;
    expect_type("unsupported_statement", "_type", STATEMENT_TYPE, &statement.kind)?;
    let predicate_type = &statement.predicate_type;
    expect_type("unsupported_statement", "predicateType", PREDICATE_TYPE, predicate_type)?;
    let [subject] = statement.subject.as_slice() else {
        return Err(Finding::new("malformed_statement")
            .expected("exactly one subject")
            .found(format!("{} subjects", statement.subject.len())));
    };
    let predicate: PredicateJson =
        serde_json::from_value(statement.predicate).map_err(malformed)?;
    compare(subject, &predicate, bundle)
}

/// Every fact the signer stated must be a fact of this bundle.
fn compare(
    subject: &SubjectJson,
    predicate: &PredicateJson,
    bundle: &Subject,
) -> Result<(), Finding> {
    let content_hash = bundle.content_hash.to_string();
    let stated_hash = format!("sha256:{}", subject.digest.sha256);
    let (name, version) = (bundle.name.as_str(), bundle.stated_version());
    let (size, stated_size) = (bundle.size.to_string(), predicate.size.to_string());
    let manifest = hex::encode(bundle.manifest_sha256);
    let world = bundle.target_world.map_or("none", TargetWorld::as_str);
    let facts = [
        ("content hash", content_hash.as_str(), Some(stated_hash.as_str())),
        ("size in bytes", &size, Some(&stated_size)),
        ("extension id", name, Some(&predicate.extension_id)),
        ("version", &version, Some(&predicate.version)),
        ("manifest SHA-256", &manifest, predicate.manifest_sha256.as_deref()),
        ("target world", world, predicate.target_world.as_deref()),
        ("subject name", &bundle.title(), Some(&subject.name)),
    ];
    for (what, ours, stated) in facts {
        if let Some(stated) = stated
            && stated != ours
        {
            return Err(Finding::new("statement_mismatch")
                .expected(format!("a statement for this bundle, whose {what} is {ours}"))
                .found(format!("a statement whose {what} is {}", shown(stated)))
                .hint("The signature was made for another bundle: sign this one."));
        }
    }
    Ok(())
}

fn expect_type(
    code: &'static str,
    field: &str,
    expected: &str,
    found: &str,
) -> Result<(), Finding> {
    if found == expected {
        return Ok(());
    }
    Err(Finding::new(code)
        .expected(format!("{field} {expected}"))
        .found(format!("{field} {}", shown(found)))
        .hint("The signature was made for something else: sign the bundle with `plugboard sign`."))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: serde_json::Error) -> Finding {
    Finding::new("malformed_statement")
        .expected("an in-toto statement about a bundle")
        .found(format!("{error}"))
        .hint("Make the signature with `plugboard sign`.")
}

/// Text from an unverified statement, short and without control characters.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(100).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", short.escape_debug())
}

#[cfg(test)]
mod tests;
