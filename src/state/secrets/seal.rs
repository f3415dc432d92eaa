//! Sealing: what is on disk in place of a secret. No table and no clock.
//!
//! Each install has a data key, which seals its values. The data key itself is on disk
//! sealed with the wrapping key, which the appliance derives from its master key and keeps
//! in memory only. Both are sealed with XChaCha20-Poly1305, whose nonces of 24 bytes can be
//! random: no counter has to survive a restored backup.
//!
//! What a ciphertext belongs to is authenticated with it, so that who writes the file cannot
//! give one install the value of another, a secret the value of its neighbour, put off the
//! day on which one expires, or have one sent to another host. Rows that are put back as they once were do open, as those of an
//! old backup do: nothing in a file says that it is the newest.

use std::fmt;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::model::{SecretBinding, SecretFacts};
use crate::state::Owner;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const ID_BYTES: usize = 8;

/// What the kinds of ciphertext begin their associated data with, so that none can stand
/// for another.
const OF_KEYS: &[u8; 22] = b"plugboard data key v1\0";
const OF_VALUES: &[u8; 20] = b"plugboard secret v1\0";
/// Of values that are bound to hosts.
const OF_BOUND_VALUES: &[u8; 20] = b"plugboard secret v2\0";

/// Which wrapping key a data key is sealed with. It says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrappingKeyId([u8; ID_BYTES]);

/// Seals data keys.
pub struct WrappingKey {
    id: WrappingKeyId,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

/// Seals the secrets of one install.
pub(super) struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

/// A ciphertext is not what it has to be: it was changed, cut off, or belongs elsewhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not open: the bytes were changed, or belong to something else")]
pub struct Broken;

impl WrappingKey {
    /// Takes a key that was derived for this purpose and for no other.
    pub fn new(key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let digest = blake3::derive_key("plugboard wrapping key id v1", &*key);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Self { id: WrappingKeyId(id), key }
    }

    /// What the data keys that it seals are marked with.
    pub const fn id(&self) -> WrappingKeyId {
        self.id
    }

    /// Seals a data key: the id of this key, the nonce, the ciphertext.
    pub(super) fn wrap(&self, key: &DataKey, owner: Owner) -> Vec<u8> {
        let mut wrapped = self.id.0.to_vec();
        wrapped.extend(seal(&self.key, &of_key(owner), &*key.0));
        wrapped
    }

    /// Opens a data key that this key has sealed.
    pub(super) fn unwrap(&self, wrapped: &[u8], owner: Owner) -> Result<DataKey, Broken> {
        let sealed = wrapped.strip_prefix(&self.id.0).ok_or(Broken)?;
        let opened = open(&self.key, &of_key(owner), sealed)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if opened.len() != KEY_BYTES {
            return Err(Broken);
        }
        key.copy_from_slice(&opened);
        Ok(DataKey(key))
    }
}

impl WrappingKeyId {
    /// Reads it from a wrapped data key.
    pub(super) fn of(wrapped: &[u8]) -> Result<Self, Broken> {
        wrapped.first_chunk().map(|id| Self(*id)).ok_or(Broken)
    }
}

impl DataKey {
    /// A new random key.
    pub(super) fn random() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut *key);
        Self(key)
    }

    /// Seals a value as the one that `facts` describes.
    pub(super) fn seal(&self, value: &SecretString, owner: Owner, facts: &SecretFacts) -> Vec<u8> {
        seal(&self.0, &of_value(owner, facts), value.expose_secret().as_bytes())
    }

    /// Opens a value, if it is the one that `facts` describes.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        owner: Owner,
        facts: &SecretFacts,
    ) -> Result<SecretString, Broken> {
        let opened = open(&self.0, &of_value(owner, facts), sealed)?;
        // Into a box of exactly its size: a growing string would leave copies behind.
        let text = std::str::from_utf8(&opened).map_err(|_| Broken)?;
        Ok(SecretString::new(text.into()))
    }
}

fn of_key(owner: Owner) -> Vec<u8> {
    [&OF_KEYS[..], owner.as_bytes()].concat()
}

/// The parts are of fixed width but for texts, which have their length before them: no two
/// secrets have the same.
fn of_value(owner: Owner, facts: &SecretFacts) -> Vec<u8> {
    let SecretFacts { name, sequence, expires_at, binding, version: _, set_at: _, set_by: _ } =
        facts;
    let kind = if binding.is_some() { OF_BOUND_VALUES } else { OF_VALUES };
    let mut data = [&kind[..], owner.as_bytes()].concat();
    push_text(&mut data, name.as_str());
    data.extend(sequence.to_be_bytes());
    data.push(u8::from(expires_at.is_some()));
    data.extend(expires_at.map_or(0, Timestamp::as_nanosecond).to_be_bytes());
    if let Some(SecretBinding { hosts, header }) = binding {
        push_text(&mut data, &header.to_string());
        for host in hosts {
            push_text(&mut data, &host.to_string());
        }
    }
    data
}

fn push_text(data: &mut Vec<u8>, text: &str) {
    data.extend((text.len() as u64).to_be_bytes());
    data.extend(text.as_bytes());
}

/// The nonce, the ciphertext, the tag.
fn seal(key: &[u8; KEY_BYTES], data: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    fill(&mut nonce);
    // Never longer than it begins, so that the plain text stands in one place until it is sealed.
    let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
    sealed.extend(nonce);
    sealed.extend(plain);
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let body = &mut sealed[NONCE_BYTES..];
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(nonce), data, body.into())
        .expect("a secret has less than 256 GiB");
    sealed.extend(tag);
    sealed
}

fn open(key: &[u8; KEY_BYTES], data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Broken)?;
    let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Broken)?;
    let mut opened = Zeroizing::new(body.to_vec());
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
    let opening = cipher.decrypt_inout_detached(&nonce, data, opened.as_mut_slice().into(), &tag);
    opening.map_err(|_| Broken)?;
    Ok(opened)
}

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        bytes.zeroize();
        panic!("the system has no random numbers");
    }
}

impl fmt::Display for WrappingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for WrappingKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappingKey({})", self.id)
    }
}

#[cfg(test)]
mod tests;
