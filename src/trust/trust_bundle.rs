//! `SIGNING_TRUST_BUNDLE`: the keys this appliance is told to trust.
//!
//! A path, or the text itself, in one of two shapes told apart by content: PEM
//! blocks, or `plugboard.trust/v1` JSON. Something that cannot be used stays
//! unusable, with its reason: it never becomes "no trust bundle", because a
//! revocation may stand in it.

mod document;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use semver::Version;

use self::source::Shape;
use super::{keys, pem};
use crate::model::{ContentHash, ExtensionName, KeyStatus, NameGlob, TrustedKey};

/// Who is named as the one who added a key of a trust bundle.
const ADDED_BY: &str = "trust bundle";

/// The trust bundle as it was when it was loaded.
#[derive(Debug)]
pub struct TrustBundle(State);

/// What can be said of a trust bundle, for readiness and pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustBundleStatus {
    /// None is configured: only the registry's own keys count.
    NotConfigured,
    Usable {
        /// How many keys it has, revoked ones included.
        keys: usize,
        /// `None` for a PEM list, which never expires: worth a warning.
        expires: Option<Timestamp>,
    },
    /// One is configured and cannot be used: nothing is verified until it can.
    Unusable { reason: String },
}

#[derive(Debug)]
enum State {
    NotConfigured,
    Usable(Contents),
    Unusable(TrustBundleError),
}

/// What a usable trust bundle says.
#[derive(Debug)]
struct Contents {
    keys: Vec<TrustedKey>,
    threshold: usize,
    version: Option<u64>,
    expires: Option<Timestamp>,
    revoked_content: BTreeSet<ContentHash>,
    min_versions: BTreeMap<ExtensionName, Version>,
}

/// Why a trust bundle cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustBundleError {
    #[error("the trust bundle cannot be read: {0}")]
    Read(String),
    #[error("the trust bundle is no regular file")]
    NotAFile,
    #[error("the trust bundle is {0} bytes; at most {max} are read", max = source::MAX_BYTES)]
    TooLarge(u64),
    #[error("other users may write the trust bundle (mode {0:04o}); `chmod go-w` it")]
    Writable(u32),
    #[error(
        "the trust bundle belongs to user {0}, not to root or to the user that plugboard runs as"
    )]
    Owner(u32),
    #[error("the trust bundle is neither PEM nor JSON nor the path of a file")]
    Shape,
    #[error("the trust bundle is no list of PEM blocks: {0}")]
    Pem(String),
    #[error("the trust bundle is not valid: {0}")]
    Json(String),
    #[error("the schema of the trust bundle is `{0}`; `plugboard.trust/v1` is read")]
    Schema(String),
    #[error("key {number} of the trust bundle is not usable: {reason}")]
    Key { number: usize, reason: String },
    #[error("the trust bundle has no keys")]
    NoKeys,
    #[error(
        "the threshold of the trust bundle is {threshold}; it has {keys} keys that are not revoked"
    )]
    Threshold { threshold: usize, keys: usize },
    #[error("the trust bundle expired on {0}")]
    Expired(Timestamp),
}

impl TrustBundle {
    /// No trust bundle: only the registry's own keys count.
    pub const fn none() -> Self {
        Self(State::NotConfigured)
    }

    /// Loads what the setting names: a path, PEM text or JSON text; empty is none.
    pub fn load(setting: &str, now: Timestamp) -> Self {
        if setting.trim().is_empty() {
            return Self::none();
        }
        let contents = source::read(setting).and_then(|text| Contents::parse(&text, now));
        Self(contents.map_or_else(State::Unusable, State::Usable))
    }

    /// Why what was named is none that could be used, at whatever time.
    pub const fn defect(&self) -> Option<&TrustBundleError> {
        match &self.0 {
            State::NotConfigured
            | State::Usable(_)
            | State::Unusable(TrustBundleError::Expired(_)) => None,
            State::Unusable(error) => Some(error),
        }
    }

    /// Its keys, revoked ones included.
    pub fn keys(&self) -> &[TrustedKey] {
        self.contents().map_or(&[], |contents| &contents.keys)
    }

    /// What can be said of it at `now`.
    pub fn status(&self, now: Timestamp) -> TrustBundleStatus {
        if let Some(error) = self.problem(now) {
            return TrustBundleStatus::Unusable { reason: error.to_string() };
        }
        match self.contents() {
            None => TrustBundleStatus::NotConfigured,
            Some(Contents { keys, expires, .. }) => {
                TrustBundleStatus::Usable { keys: keys.len(), expires: *expires }
            }
        }
    }

    /// Its own version number, which must never go down; `None` for a PEM list.
    pub fn version(&self) -> Option<u64> {
        self.contents()?.version
    }

    /// Why it cannot be used at `now`. Expiry is looked at anew each time: a
    /// trust bundle expires while the appliance runs.
    pub(super) fn problem(&self, now: Timestamp) -> Option<TrustBundleError> {
        match &self.0 {
            State::NotConfigured => None,
            State::Unusable(error) => Some(error.clone()),
            State::Usable(contents) => contents.expired(now),
        }
    }

    /// How many different keys must have signed; at least 1.
    pub(super) fn threshold(&self) -> usize {
        self.contents().map_or(1, |contents| contents.threshold)
    }

    pub(super) fn revokes(&self, content: &ContentHash) -> bool {
        self.contents().is_some_and(|contents| contents.revoked_content.contains(content))
    }

    pub(super) fn min_version(&self, name: &ExtensionName) -> Option<&Version> {
        self.contents()?.min_versions.get(name)
    }

    fn contents(&self) -> Option<&Contents> {
        match &self.0 {
            State::Usable(contents) => Some(contents),
            State::NotConfigured | State::Unusable(_) => None,
        }
    }
}

impl Contents {
    fn parse(text: &str, now: Timestamp) -> Result<Self, TrustBundleError> {
        let contents = match Shape::of(text) {
            Some(Shape::Pem) => Self::from_pem(text, now)?,
            Some(Shape::Json) => document::parse(text, now)?,
            None => return Err(TrustBundleError::Shape),
        };
        contents.check()?;
        contents.expired(now).map_or(Ok(contents), Err)
    }

    /// A list of public keys: for every name, one signature is enough, no expiry.
    fn from_pem(text: &str, now: Timestamp) -> Result<Self, TrustBundleError> {
        let blocks = pem::blocks(text).map_err(|error| TrustBundleError::Pem(error.to_string()))?;
        let mut found = Vec::new();
        for (block, number) in blocks.iter().zip(1..) {
            let unusable = |reason: String| TrustBundleError::Key { number, reason };
            if block.label != "PUBLIC KEY" {
                return Err(unusable(format!("it is a `{}`", block.label.escape_debug())));
            }
            let key = keys::spki_key(&block.der).map_err(|error| unusable(error.to_string()))?;
            found.push(TrustedKey {
                id: keys::key_id(&key),
                public_key: key.to_bytes(),
                name: String::new(),
                scopes: vec![NameGlob::everything()],
                not_before: None,
                not_after: None,
                status: KeyStatus::Active,
                added_at: now,
                added_by: ADDED_BY.to_owned(),
            });
        }
        Ok(Self {
            keys: found,
            threshold: 1,
            version: None,
            expires: None,
            revoked_content: BTreeSet::new(),
            min_versions: BTreeMap::new(),
        })
    }

    fn check(&self) -> Result<(), TrustBundleError> {
        let mut ids = BTreeSet::new();
        for (key, number) in self.keys.iter().zip(1..) {
            // The same key twice would be two permissions, and two in a count.
            if !ids.insert(&key.id) {
                let reason = format!("it is there twice ({})", key.id);
                return Err(TrustBundleError::Key { number, reason });
            }
        }
        if self.keys.is_empty() {
            return Err(TrustBundleError::NoKeys);
        }
        let keys = self.keys.iter().filter(|key| key.status != KeyStatus::Revoked).count();
        let threshold = self.threshold;
        // A trust bundle that revokes every key is one that says no to all.
        let possible = threshold <= keys || keys == 0;
        let valid = threshold >= 1 && possible;
        if valid { Ok(()) } else { Err(TrustBundleError::Threshold { threshold, keys }) }
    }

    fn expired(&self, now: Timestamp) -> Option<TrustBundleError> {
        self.expires.filter(|expires| now >= *expires).map(TrustBundleError::Expired)
    }
}

#[cfg(test)]
mod tests;
