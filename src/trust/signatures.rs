//! Who signed: every signature that was sent, held against every known key.

use std::slice;

use ed25519_dalek::VerifyingKey;

use super::envelope::{Envelope, EnvelopeSignature};
use super::key_ring::KeyRing;
use super::keys::{self, signature_is_valid};
use super::report::Finding;
use super::statement::{self, Subject};
use crate::model::KeyId;

/// The most envelopes looked at in one attempt: those sent (at most 8) and
/// those kept from before.
const MAX_ENVELOPES: usize = 16;

const SIGNATURE_BYTES: usize = 64;

/// What a signature turned out to be. Whether its key is trusted is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// It verifies under a key of the ring.
    Known(KeyId),
    /// It verifies under the key in its own statement, which nobody vouches for.
    Unknown(VerifyingKey),
    /// There is no key to verify it with.
    Unavailable(Option<KeyId>),
}

/// A signature and the envelope it came in.
#[derive(Clone, Debug)]
pub(super) struct SignatureFact {
    pub(super) signed: Signed,
    pub(super) envelope: Vec<u8>,
}

impl SignatureFact {
    /// Signatures by one key count once. Without a key only the bytes can tell.
    fn is_same(&self, other: &Self) -> bool {
        let has_key = !matches!(self.signed, Signed::Unavailable(_));
        self.signed == other.signed && (has_key || self.envelope == other.envelope)
    }

    /// The id the envelope is kept under.
    pub(super) fn key_id(&self) -> KeyId {
        match &self.signed {
            Signed::Known(id) | Signed::Unavailable(Some(id)) => id.clone(),
            Signed::Unknown(key) => keys::key_id(key),
            // Some name that is the same for the same bytes.
            Signed::Unavailable(None) => KeyId::of_spki(&self.envelope),
        }
    }
}

/// Looks at every signature; the first bad one refuses them all.
pub(super) fn examine(
    envelopes: &[Vec<u8>],
    ring: &KeyRing,
    bundle: &Subject,
) -> Result<Vec<SignatureFact>, Finding> {
    if envelopes.len() > MAX_ENVELOPES {
        return Err(Finding::new("too_many_signatures")
            .expected(format!("at most {MAX_ENVELOPES} signatures"))
            .found(envelopes.len().to_string()));
    }
    let mut facts: Vec<SignatureFact> = Vec::new();
    for bytes in envelopes {
        let envelope = Envelope::parse(bytes)?;
        let message = envelope.message();
        for signature in &envelope.signatures {
            let signed = who_signed(&envelope, &message, signature, ring)?;
            let fact = SignatureFact { signed, envelope: bytes.clone() };
            // Sent twice, or sent again with one that was kept.
            if !facts.iter().any(|known| known.is_same(&fact)) {
                facts.push(fact);
            }
        }
        // After the signatures, so that a payload is read as what was signed.
        statement::check(&envelope, bundle)?;
    }
    Ok(facts)
}

/// Those of the envelopes that are not bad, each looked at alone.
pub(super) fn sound(
    envelopes: Vec<Vec<u8>>,
    ring: &KeyRing,
    bundle: &Subject,
) -> impl Iterator<Item = Vec<u8>> {
    let alone = move |one: &Vec<u8>| examine(slice::from_ref(one), ring, bundle).is_ok();
    envelopes.into_iter().filter(alone)
}

fn who_signed(
    envelope: &Envelope,
    message: &[u8],
    signature: &EnvelopeSignature,
    ring: &KeyRing,
) -> Result<Signed, Finding> {
    let claimed = signature.claimed.as_ref();
    if signature.bytes.len() != SIGNATURE_BYTES {
        return Err(bad_signature(signature, claimed));
    }
    // The claim only orders the search; what counts is the key that verifies.
    if let Some(id) = ring.find(claimed, |key| signature_is_valid(key, message, &signature.bytes)) {
        return Ok(Signed::Known(id.clone()));
    }
    if let Some(id) = claimed.filter(|id| ring.contains(id)) {
        return Err(bad_signature(signature, Some(id)));
    }
    let Some(embedded) = statement::embedded_key(envelope) else {
        return Ok(Signed::Unavailable(claimed.cloned()));
    };
    let key = embedded.map_err(|error| {
        Finding::new("signer_key_invalid")
            .expected("an Ed25519 public key in the statement")
            .found(error.to_string())
            .hint("Sign the bundle with a key made by `plugboard keygen`.")
    })?;
    let id = keys::key_id(&key);
    if claimed.is_some_and(|claimed| *claimed != id) {
        return Ok(Signed::Unavailable(claimed.cloned()));
    }
    if signature_is_valid(&key, message, &signature.bytes) {
        Ok(Signed::Unknown(key))
    } else {
        Err(bad_signature(signature, Some(&id)))
    }
}

fn bad_signature(signature: &EnvelopeSignature, key: Option<&KeyId>) -> Finding {
    let found = match signature.bytes.len() {
        SIGNATURE_BYTES => "a signature that does not verify".to_owned(),
        length => format!("a signature of {length} bytes"),
    };
    let by = key.map_or_else(String::new, |id| format!(" by key {id}"));
    Finding::new("bad_signature")
        .expected(format!("an Ed25519 signature{by}, {SIGNATURE_BYTES} bytes"))
        .found(found)
        .hint("The signature or its statement was changed after signing: sign the bundle again.")
}

#[cfg(test)]
mod tests;
