//! `plugboard.trust/v1`: the trust bundle as JSON.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use semver::Version;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ADDED_BY, Contents, TrustBundleError};
use crate::model::{ContentHash, ExtensionName, KeyId, KeyStatus, NameGlob, TrustedKey};
use crate::trust::{keys, strict_json};

const SCHEMA: &str = "plugboard.trust/v1";

/// Read first and alone, so that a document of another version is named as one.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[expect(dead_code, reason = "read as `Head`")]
    schema: String,
    version: u64,
    #[expect(dead_code, reason = "for people")]
    #[serde(default)]
    issued: Option<Timestamp>,
    expires: Timestamp,
    threshold: usize,
    keys: Vec<KeyRow>,
    #[serde(default)]
    revoked_content: BTreeSet<ContentHash>,
    #[serde(default)]
    min_versions: BTreeMap<ExtensionName, Version>,
    #[expect(
        dead_code,
        reason = "a file is trusted by its permissions; sent over the API it must be signed"
    )]
    #[serde(default)]
    signatures: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRow {
    keyid: KeyId,
    alg: String,
    spki: String,
    #[serde(default)]
    name: String,
    scopes: Vec<NameGlob>,
    #[serde(default)]
    not_before: Option<Timestamp>,
    #[serde(default)]
    not_after: Option<Timestamp>,
    status: KeyStatus,
    #[expect(dead_code, reason = "for people")]
    #[serde(default)]
    revoked_at: Option<Timestamp>,
    #[expect(dead_code, reason = "for people")]
    #[serde(default)]
    reason: Option<String>,
}

pub(super) fn parse(text: &str, now: Timestamp) -> Result<Contents, TrustBundleError> {
    let json = |error: serde_json::Error| TrustBundleError::Json(error.to_string());
    let head: Head = strict_json::parse(text.as_bytes()).map_err(json)?;
    if head.schema != SCHEMA {
        let schema = head.schema.chars().take(100).collect();
        return Err(TrustBundleError::Schema(schema));
    }
    let document: Document = strict_json::parse(text.as_bytes()).map_err(json)?;
    let rows = document.keys.into_iter().zip(1..);
    let keys = rows.map(|(row, number)| {
        row.read(now).map_err(|reason| TrustBundleError::Key { number, reason })
    });
    Ok(Contents {
        keys: keys.collect::<Result<_, _>>()?,
        threshold: document.threshold,
        version: Some(document.version),
        expires: Some(document.expires),
        revoked_content: document.revoked_content,
        min_versions: document.min_versions,
    })
}

impl KeyRow {
    fn read(self, now: Timestamp) -> Result<TrustedKey, String> {
        // The algorithm is a property of the key: one that says otherwise is
        // wrong about one of the two.
        if self.alg != "ed25519" {
            return Err(format!("`{}` is not supported; ed25519 is", self.alg.escape_debug()));
        }
        let key = keys::parse_public(&self.spki).map_err(|error| error.to_string())?;
        let id = keys::key_id(&key);
        if id != self.keyid {
            return Err(format!("its keyid is {}; the key's is {id}", self.keyid));
        }
        Ok(TrustedKey {
            id,
            public_key: key.to_bytes(),
            name: self.name,
            scopes: self.scopes,
            not_before: self.not_before,
            not_after: self.not_after,
            status: self.status,
            added_at: now,
            added_by: ADDED_BY.to_owned(),
        })
    }
}
