//! Ed25519 keys: making, reading and writing them, and the one signature check.
//!
//! A key has one accepted form, the 44 bytes of its SPKI DER, so that its id is
//! unique. A key is never taken into use without [`public_key`] having looked
//! at it.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::pem;
use crate::model::KeyId;

/// What comes before the 32 key bytes in an Ed25519 SPKI (RFC 8410): a sequence
/// of the algorithm's object id and a bit string.
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of an Ed25519 SPKI.
const SPKI_BYTES: usize = 44;
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// A fresh key in the forms people keep.
pub struct GeneratedKey {
    /// PKCS#8, as `openssl pkey` and `plugboard sign` read it.
    pub private_pem: Zeroizing<String>,
    /// SPKI: what others trust.
    pub public_pem: String,
    /// The id of the public key.
    pub id: KeyId,
}

/// Why a text or some bytes are not a usable key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the text is neither one PEM block `PUBLIC KEY` nor base64 of its content")]
    NotPem,
    #[error("the text is no PEM block `PRIVATE KEY` with an unencrypted Ed25519 key (PKCS#8)")]
    NotPrivatePem,
    #[error("the key is no Ed25519 public key of {SPKI_BYTES} bytes (SPKI)")]
    NotEd25519,
    #[error("the key is no canonical point of the curve")]
    NotAPoint,
    #[error("the key is weak: signatures that fit any message can be made for it")]
    Weak,
    #[error("the key could not be made: {0}")]
    NotMade(String),
}

/// Makes a key from the operating system's randomness.
pub fn generate() -> Result<GeneratedKey, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(|error| KeyError::NotMade(error.to_string()))?;
    let key = SigningKey::from_bytes(&secret);
    // Without the public half (PKCS#8 version 1): older OpenSSL reads no other.
    let private_pem = KeypairBytes { secret_key: key.to_bytes(), public_key: None }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| KeyError::NotMade(error.to_string()))?;
    let public = key.verifying_key();
    Ok(GeneratedKey { private_pem, public_pem: public_pem(&public), id: key_id(&public) })
}

/// Reads a private key as [`generate`] or `openssl genpkey -algorithm ed25519` writes it.
pub fn parse_private(pem: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pkcs8_pem(pem.trim()).map_err(|_| KeyError::NotPrivatePem)
}

/// Reads a public key: one PEM block, or the base64 of its content on one line.
pub fn parse_public(text: &str) -> Result<VerifyingKey, KeyError> {
    let text = text.trim();
    if text.starts_with("-----") {
        let blocks = pem::blocks(text).map_err(|_| KeyError::NotPem)?;
        let [block] = blocks.as_slice() else { return Err(KeyError::NotPem) };
        return if block.label == PUBLIC_LABEL {
            spki_key(&block.der)
        } else {
            Err(KeyError::NotPem)
        };
    }
    spki_key(&STANDARD.decode(text).map_err(|_| KeyError::NotPem)?)
}

/// Reads a public key from its SPKI DER form: exactly one spelling is accepted.
pub fn spki_key(der: &[u8]) -> Result<VerifyingKey, KeyError> {
    let raw = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::NotEd25519)?;
    public_key(raw.try_into().map_err(|_| KeyError::NotEd25519)?)
}

/// Takes raw key bytes into use.
pub fn public_key(raw: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(raw).map_err(|_| KeyError::NotAPoint)?;
    // A second spelling of a point would be a second key id of one key, and
    // count twice against a threshold.
    if key.to_edwards().compress().as_bytes() != raw {
        return Err(KeyError::NotAPoint);
    }
    if key.is_weak() { Err(KeyError::Weak) } else { Ok(key) }
}

/// The SPKI DER form, which key ids are made from.
pub fn spki_der(key: &VerifyingKey) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), key.as_bytes()].concat()
}

/// The SPKI DER form in base64, as statements and trust bundles have it.
pub fn spki_base64(key: &VerifyingKey) -> String {
    STANDARD.encode(spki_der(key))
}

/// The SPKI form as a PEM block.
pub fn public_pem(key: &VerifyingKey) -> String {
    // 44 bytes are 60 characters: one line.
    format!("-----BEGIN {PUBLIC_LABEL}-----\n{}\n-----END {PUBLIC_LABEL}-----\n", spki_base64(key))
}

/// The id of a key.
pub fn key_id(key: &VerifyingKey) -> KeyId {
    KeyId::of_spki(&spki_der(key))
}

/// Whether `signature` is `key`'s over `message`: every signature passes here.
///
/// The strict check: no small-order points, no second encodings, and exactly
/// 64 bytes, so that nothing can hide after a signature. The algorithm comes
/// from the key; a signature cannot choose it.
pub fn signature_is_valid(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 64]>::try_from(signature) else { return false };
    !key.is_weak() && key.verify_strict(message, &Signature::from_bytes(bytes)).is_ok()
}

#[cfg(test)]
mod tests;
