//! Digests of bodies (RFC 9530): held against what arrives, sent with what leaves.
//!
//! A dictionary can hold members of any kind, and those of other algorithms
//! have to be read to be ignored: `sfv` knows the whole grammar.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sfv::{Dictionary, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

use super::error::ApiError;
use crate::model::ContentHash;

/// Of what is in this message.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// Of the whole file, also when only a part of it is sent.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The algorithms that are looked at; the others are unsafe or not in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

/// One digest that a sender gives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    /// The field that it is in, as people know it.
    field: &'static str,
    algorithm: Algorithm,
    digest: Vec<u8>,
}

/// The digests that a sender gives, to be held against what arrives.
#[derive(Debug, Default)]
pub(super) struct DigestCheck {
    claims: Vec<Claim>,
    /// Fed on the way, where a claim asks for it.
    sha512: Option<Arc<Mutex<Sha512>>>,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// A digest as a member of a dictionary.
    fn written(self, digest: &[u8]) -> String {
        format!("{}=:{}:", self.name(), STANDARD.encode(digest))
    }
}

impl DigestCheck {
    /// The digests in the headers of a message, or of a part of a form.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut claims = Vec::new();
        for (name, field) in [(CONTENT_DIGEST, "Content-Digest"), (REPR_DIGEST, "Repr-Digest")] {
            let lines: Vec<_> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
            if !lines.is_empty() {
                claims.extend(read(field, &lines.join(&b", "[..]))?);
            }
        }
        let asks_for_sha512 = claims.iter().any(|claim| claim.algorithm == Algorithm::Sha512);
        Ok(Self { claims, sha512: asks_for_sha512.then(Arc::default) })
    }

    /// The SHA-256 that the sender gives.
    pub(super) fn content_hash(&self) -> Option<ContentHash> {
        let claim = self.claims.iter().find(|claim| claim.algorithm == Algorithm::Sha256)?;
        let digest: [u8; 32] = claim.digest.as_slice().try_into().ok()?;
        Some(digest.into())
    }

    /// The body, hashed on its way as far as its receiver does not do it.
    pub(super) fn watch<E>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> impl Stream<Item = Result<Bytes, E>> {
        let sha512 = self.sha512.clone();
        body.inspect(move |chunk| {
            if let (Some(sha512), Ok(chunk)) = (&sha512, chunk) {
                sha512.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
            }
        })
    }

    /// Refuses a body that is not the one the sender meant. `sha256` is of what
    /// arrived, all of which has passed [`Self::watch`].
    pub(super) fn check(&self, sha256: &[u8; 32]) -> Result<(), ApiError> {
        for claim in &self.claims {
            let found = match (claim.algorithm, &self.sha512) {
                (Algorithm::Sha256, _) => sha256.to_vec(),
                (Algorithm::Sha512, Some(sha512)) => {
                    let hasher = sha512.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    hasher.finalize().to_vec()
                }
                (Algorithm::Sha512, None) => continue,
            };
            if found != claim.digest {
                return Err(mismatch(claim, &found));
            }
        }
        Ok(())
    }

    /// The same for a body that is in memory.
    pub(super) fn check_bytes(&self, body: &[u8]) -> Result<(), ApiError> {
        if let Some(sha512) = &self.sha512 {
            sha512.lock().unwrap_or_else(PoisonError::into_inner).update(body);
        }
        if self.claims.is_empty() { Ok(()) } else { self.check(&Sha256::digest(body).into()) }
    }
}

/// The digest of a file that is sent, for either header.
pub(super) fn sent(sha256: &[u8; 32]) -> HeaderValue {
    let text = Algorithm::Sha256.written(sha256);
    HeaderValue::try_from(text).expect("base64 is visible ASCII")
}

/// The members of a dictionary that are digests. One that cannot be read could
/// have been the one that matters: it is refused and not ignored.
fn read(field: &'static str, text: &[u8]) -> Result<Vec<Claim>, ApiError> {
    let example = || format!("write {field}: sha-256=:<base64 of the 32 bytes>:");
    let malformed = |detail: String| ApiError::malformed(detail).hint(example());
    let members: Dictionary = Parser::new(text)
        .parse()
        .map_err(|error| malformed(format!("{field} is no dictionary: {error}")))?;
    let mut claims = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let Some(member) = members.get(algorithm.name()) else { continue };
        let digest = match member {
            ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
            ListEntry::InnerList(_) => None,
        };
        match digest {
            Some(digest) if digest.len() == algorithm.bytes() => {
                claims.push(Claim { field, algorithm, digest: digest.to_vec() });
            }
            found => {
                let found = found.map_or("something else".to_owned(), |digest| {
                    format!("{} bytes", digest.len())
                });
                let (name, bytes) = (algorithm.name(), algorithm.bytes());
                return Err(malformed(format!(
                    "{name} in {field} is a byte sequence of {bytes} bytes; {found} arrived"
                )));
            }
        }
    }
    Ok(claims)
}

fn mismatch(claim: &Claim, found: &[u8]) -> ApiError {
    let expected = claim.algorithm.written(&claim.digest);
    let found = claim.algorithm.written(found);
    let detail = format!("{} says {expected}, and what arrived has {found}", claim.field);
    ApiError::client(http::StatusCode::BAD_REQUEST, "digest_mismatch", detail)
        .hint("the bytes were changed on the way, or the digest is of another file: send it again")
        .extra("expected", expected)
        .extra("found", found)
}

#[cfg(test)]
mod tests;
