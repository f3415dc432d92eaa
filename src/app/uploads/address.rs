//! Addresses that whoever has one may send one bundle to, for a quarter of an hour.
//!
//! The key is made at each start and kept nowhere: a restart ends the addresses
//! that were given out, and their holders ask for new ones.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::app::tokens::random;
use crate::model::{ContentHash, Principal, ScopeKind, TokenId, UploadId};

/// How long an address is good for.
pub const ADDRESS_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// What an address is good for: all of it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadAddress {
    pub upload: UploadId,
    /// Who asked for it: the bundle arrives in that token's name.
    pub token: TokenId,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// Bytes of the bundle.
    pub length: u64,
    pub declared_hash: Option<ContentHash>,
    /// The headers that the sender was told to send.
    pub content_type: String,
    pub cache_control: Option<String>,
}

/// The key that addresses are signed with.
pub struct UploadAddresses([u8; 32]);

/// Why an address is not good for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another method, path, length, hash or header than was signed, or nothing that was.
    #[error("this address was not given out for this request")]
    Forged,
    #[error("this address was good until {0}")]
    Expired(Timestamp),
    /// Its token was revoked, or has expired.
    #[error("the token that this address was made for is no longer accepted")]
    TokenGone,
}

impl App {
    /// Signs an address. `target` is what the request must be: method and path.
    pub fn sign_upload_address(&self, target: &str, address: &UploadAddress) -> String {
        blake3::Hash::from(self.upload_addresses.sign(target, address)).to_hex().to_string()
    }

    /// Who a request to a signed address acts for.
    pub fn open_upload_address(
        &self,
        target: &str,
        address: &UploadAddress,
        signature: &str,
    ) -> Result<Principal, AddressError> {
        let mut sent = [0; 32];
        let decoded = hex::decode_to_slice(signature, &mut sent).is_ok();
        let signed = self.upload_addresses.sign(target, address);
        if !decoded || !bool::from(signed.ct_eq(&sent)) {
            return Err(AddressError::Forged);
        }
        let now = self.clock.now();
        let until = Timestamp::from_second(address.expires_at);
        let until = until.map_err(|_| AddressError::Forged)?;
        if now >= until {
            return Err(AddressError::Expired(until));
        }
        // What the token may do is asked again: it may have been revoked since.
        let token = self.registry.live().token(&address.token).cloned();
        let token = token.filter(|token| now < token.expires_at);
        let token = token.ok_or(AddressError::TokenGone)?;
        if token.scopes.iter().any(|scope| scope.kind == ScopeKind::BundlePublish) {
            Ok(Principal::Token(token))
        } else {
            Err(AddressError::TokenGone)
        }
    }
}

impl UploadAddresses {
    /// A new random key.
    pub fn new() -> Self {
        let mut key = [0; 32];
        random(&mut key);
        Self(key)
    }

    fn sign(&self, target: &str, address: &UploadAddress) -> [u8; 32] {
        let UploadAddress { upload, token, expires_at, length, .. } = address;
        let hash = address.declared_hash.map(|hash| hash.hex()).unwrap_or_default();
        let cache_control = address.cache_control.as_deref().unwrap_or_default();
        let expires_at = expires_at.to_string();
        let parts = [
            "plugboard upload address v1",
            target,
            &upload.to_string(),
            token.as_str(),
            &expires_at,
            &length.to_string(),
            &hash,
            &address.content_type,
            cache_control,
        ];
        let mut mac = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            // With its length before it, no part can be read as the end of another.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        *mac.finalize().as_bytes()
    }
}

impl Default for UploadAddresses {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UploadAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadAddresses(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> UploadAddress {
        UploadAddress {
            upload: UploadId::random(),
            token: "aaaaaaaa".parse().unwrap(),
            expires_at: 900,
            length: 10,
            declared_hash: None,
            content_type: "application/zstd".to_owned(),
            cache_control: None,
        }
    }

    #[test]
    fn everything_about_an_address_is_signed() {
        let addresses = UploadAddresses::new();
        let given = address();
        let signature = addresses.sign("PUT /a", &given);

        assert_eq!(signature, addresses.sign("PUT /a", &given));
        for other in [
            UploadAddress { upload: UploadId::random(), ..given.clone() },
            UploadAddress { token: "bbbbbbbb".parse().unwrap(), ..given.clone() },
            UploadAddress { expires_at: 901, ..given.clone() },
            UploadAddress { length: 11, ..given.clone() },
            UploadAddress { declared_hash: Some(ContentHash::of(b"")), ..given.clone() },
            UploadAddress { content_type: "text/html".to_owned(), ..given.clone() },
            UploadAddress { cache_control: Some("no-store".to_owned()), ..given.clone() },
        ] {
            assert_ne!(signature, addresses.sign("PUT /a", &other), "{other:?}");
        }
        assert_ne!(signature, addresses.sign("POST /a", &given));
        assert_ne!(signature, addresses.sign("PUT /b", &given));
        assert_ne!(signature, UploadAddresses::new().sign("PUT /a", &given));
    }
}
