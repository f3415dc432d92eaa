//! The effective keys: those of the trust bundle and those of the registry.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;

use super::keys;
use super::report::Finding;
use crate::model::{ExtensionName, KeyId, KeyStatus, TrustedKey};

/// Every known key, once, with all that is said about it.
///
/// Kept by key material: the same key under two ids or in two places is one
/// key, and counts once against a threshold.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    keys: BTreeMap<KeyId, RingKey>,
}

#[derive(Debug)]
struct RingKey {
    key: VerifyingKey,
    /// Each is a permission of its own; a revocation in one is one for all.
    entries: Vec<TrustedKey>,
}

impl KeyRing {
    pub(super) fn new<'a>(keys: impl IntoIterator<Item = &'a TrustedKey>) -> Self {
        let mut ring = Self::default();
        for entry in keys {
            // A key that could not be taken into use verifies nothing.
            let Ok(key) = keys::public_key(&entry.public_key) else { continue };
            // The id is recomputed: a stored one could name another key.
            let slot = ring.keys.entry(keys::key_id(&key));
            let known = slot.or_insert(RingKey { key, entries: Vec::new() });
            known.entries.push(entry.clone());
        }
        ring
    }

    /// The first key for which `verifies` holds, beginning with the claimed one.
    pub(super) fn find(
        &self,
        claimed: Option<&KeyId>,
        verifies: impl Fn(&VerifyingKey) -> bool,
    ) -> Option<&KeyId> {
        let first = claimed.and_then(|id| self.keys.get_key_value(id));
        let rest = self.keys.iter().filter(|(id, _)| Some(*id) != claimed);
        first.into_iter().chain(rest).find(|(_, ring)| verifies(&ring.key)).map(|(id, _)| id)
    }

    pub(super) fn contains(&self, id: &KeyId) -> bool {
        self.keys.contains_key(id)
    }

    /// The entry that lets the key sign for `name` at `now`, or why none does.
    pub(super) fn permission(
        &self,
        id: &KeyId,
        name: &ExtensionName,
        now: Timestamp,
    ) -> Result<&TrustedKey, Finding> {
        let entries = self.keys.get(id).map_or(&[][..], |key| &key.entries);
        if let Some(revoked) = entries.iter().find(|entry| entry.status == KeyStatus::Revoked) {
            return Err(revoked_key(revoked, id));
        }
        let mut reasons = Vec::new();
        for entry in entries {
            match refusal(entry, id, name, now) {
                None => return Ok(entry),
                Some(finding) => reasons.push(finding),
            }
        }
        Err(reasons.into_iter().next().expect("a key in the ring has an entry"))
    }
}

/// Why an entry gives no permission, if it gives none. Times are compared with
/// now: a time that the signer wrote proves nothing.
fn refusal(
    entry: &TrustedKey,
    id: &KeyId,
    name: &ExtensionName,
    now: Timestamp,
) -> Option<Finding> {
    let key = describe(&entry.name, id);
    if !entry.covers(name) {
        let scopes: Vec<_> = entry.scopes.iter().map(ToString::to_string).collect();
        return Some(
            Finding::new("key_out_of_scope")
                .expected(format!("a signature by a key that may sign {name}"))
                .found(format!("{key}, which may sign {}", or_nothing(&scopes.join(", "))))
                .hint(format!("Add {name} to the names of the key, or sign with another key.")),
        );
    }
    if entry.status == KeyStatus::Retired {
        return Some(
            Finding::new("key_retired")
                .expected("a signature by an active key")
                .found(format!("{key}, which is retired"))
                .hint("Sign with the key that took its place."),
        );
    }
    if let Some(from) = entry.not_before.filter(|from| now < *from) {
        return Some(
            Finding::new("key_not_yet_valid")
                .expected("a signature by a key that is valid today")
                .found(format!("{key}, which is valid from {from}")),
        );
    }
    if let Some(until) = entry.not_after.filter(|until| now >= *until) {
        return Some(
            Finding::new("key_expired")
                .expected("a signature by a key that is valid today")
                .found(format!("{key}, which was valid until {until}"))
                .hint("Sign with a key that is valid."),
        );
    }
    None
}

fn revoked_key(entry: &TrustedKey, id: &KeyId) -> Finding {
    Finding::new("key_revoked")
        .expected("a signature by an active key")
        .found(format!("{}, which is revoked", describe(&entry.name, id)))
        .hint("Ask the publisher for a signature by a key that is not revoked.")
}

fn describe(name: &str, id: &KeyId) -> String {
    if name.is_empty() { format!("key {id}") } else { format!("key “{name}” ({id})") }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

#[cfg(test)]
mod tests;
