//! What tells our compiled code from anything else that may lie in its place.
//!
//! ```text
//! MAGIC | key id, 8 | component, 32 | compatibility, 32 | payload length, u64 LE | payload | tag, 32
//! ```
//!
//! The tag is BLAKE3 keyed with a key that only this appliance has, over all that
//! stands before it. So whoever cannot read the key can neither change a file, nor
//! put one in the place of another, nor bring one from elsewhere.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::model::FileDigest;

const MAGIC: [u8; 10] = *b"PBCWASM1\0\0";
pub(super) const TAG_BYTES: usize = 32;
pub(super) const HEADER_BYTES: usize = MAGIC.len() + 8 + 32 + 32 + 8;

/// Seals compiled code, and opens what it sealed.
pub(super) struct Seal {
    key: [u8; 32],
    key_id: [u8; 8],
    /// Of the engine: its version, its settings and the processor it compiles for.
    compatibility: [u8; 32],
}

/// Why a file is not what was looked for. Nothing of it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("it is shorter than a sealed file can be, or cut off")]
    Length,
    #[error("it does not begin as a sealed file does")]
    Magic,
    #[error("it was sealed with another key")]
    Key,
    #[error("it was changed, or its seal was made elsewhere")]
    Tag,
    #[error("it is of another component")]
    Component,
    #[error("it was compiled by another version, with other settings or for another processor")]
    Compatibility,
}

impl Mismatch {
    /// Whether the file was good once: after an upgrade many are of this kind.
    pub(super) const fn is_outdated(self) -> bool {
        matches!(self, Self::Compatibility)
    }
}

impl Seal {
    pub(super) fn new(key: [u8; 32], compatibility: [u8; 32]) -> Self {
        let digest = blake3::derive_key("plugboard cwasm key id v1", &key);
        let key_id = std::array::from_fn(|index| digest[index]);
        Self { key, key_id, compatibility }
    }

    /// The whole file for the compiled form of `component`.
    pub(super) fn close(&self, component: &FileDigest, payload: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEADER_BYTES + payload.len() + TAG_BYTES);
        file.extend(self.header(component, payload.len()));
        file.extend(payload);
        file.extend(blake3::keyed_hash(&self.key, &file).as_bytes());
        file
    }

    /// Begins to open a file of `bytes` that begins with `head`, for `component`.
    pub(super) fn open<'a>(
        &'a self,
        component: &'a FileDigest,
        head: &'a [u8; HEADER_BYTES],
        bytes: u64,
    ) -> Result<Opening<'a>, Mismatch> {
        let payload_bytes = payload_bytes(bytes).ok_or(Mismatch::Length)?;
        if !head.starts_with(&MAGIC) {
            return Err(Mismatch::Magic);
        }
        // Only says what to tell people: the tag decides.
        if head[MAGIC.len()..][..self.key_id.len()] != self.key_id {
            return Err(Mismatch::Key);
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(head);
        Ok(Opening { seal: self, component, head, payload_bytes, hasher })
    }

    /// Whether a file of `bytes` that begins with `head` looks as if this seal had closed it.
    /// What it holds is still to be opened.
    pub(super) fn looks_closed(
        &self,
        component: &FileDigest,
        head: &[u8; HEADER_BYTES],
        bytes: u64,
    ) -> bool {
        payload_bytes(bytes).is_some_and(|payload| self.header(component, payload) == head)
    }

    fn header(&self, component: &FileDigest, payload_bytes: usize) -> Vec<u8> {
        let length = (payload_bytes as u64).to_le_bytes();
        let parts: [&[u8]; 5] =
            [&MAGIC, &self.key_id, component.as_bytes(), &self.compatibility, &length];
        parts.concat()
    }
}

/// A file that is being looked at; nothing of it may be used before [`Opening::finish`].
pub(super) struct Opening<'a> {
    seal: &'a Seal,
    component: &'a FileDigest,
    head: &'a [u8; HEADER_BYTES],
    payload_bytes: usize,
    hasher: blake3::Hasher,
}

impl Opening<'_> {
    /// Bytes between the head and the tag.
    pub(super) const fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Takes the next bytes of the payload.
    pub(super) fn update(&mut self, payload: &[u8]) {
        self.hasher.update(payload);
    }

    /// Whether this seal closed all that was taken, with `tag`, for this component.
    pub(super) fn finish(self, tag: &[u8; TAG_BYTES]) -> Result<(), Mismatch> {
        if !bool::from(self.hasher.finalize().as_bytes()[..].ct_eq(tag)) {
            return Err(Mismatch::Tag);
        }
        let header = self.seal.header(self.component, self.payload_bytes);
        let [of_component, of_engine, of_length] = [
            MAGIC.len() + 8..MAGIC.len() + 40,
            MAGIC.len() + 40..MAGIC.len() + 72,
            MAGIC.len() + 72..HEADER_BYTES,
        ];
        for (field, mismatch) in [
            (of_component, Mismatch::Component),
            (of_engine, Mismatch::Compatibility),
            (of_length, Mismatch::Length),
        ] {
            if self.head[field.clone()] != header[field] {
                return Err(mismatch);
            }
        }
        Ok(())
    }
}

/// Bytes of the payload of a file of `bytes`.
fn payload_bytes(bytes: u64) -> Option<usize> {
    usize::try_from(bytes).ok()?.checked_sub(HEADER_BYTES + TAG_BYTES)
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = b"machine code";

    fn component(byte: u8) -> FileDigest {
        FileDigest::from([byte; 32])
    }

    fn seal() -> Seal {
        Seal::new([1; 32], [2; 32])
    }

    /// The payload of `file`, if the seal closed it for `component`.
    fn open<'a>(component: &FileDigest, file: &'a [u8]) -> Result<&'a [u8], Mismatch> {
        let seal = seal();
        let head = file.first_chunk().ok_or(Mismatch::Length)?;
        let mut opening = seal.open(component, head, file.len() as u64)?;
        let (payload, tag) = file[HEADER_BYTES..].split_last_chunk().unwrap();
        assert_eq!(opening.payload_bytes(), payload.len());
        payload.chunks(5).for_each(|part| opening.update(part));
        opening.finish(tag).map(|()| payload)
    }

    #[test]
    fn what_was_sealed_opens() {
        for payload in [PAYLOAD, b""] {
            let file = seal().close(&component(3), payload);

            assert_eq!(open(&component(3), &file).unwrap(), payload);
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let file = seal().close(&component(3), PAYLOAD);
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);

            assert!(open(&component(3), &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_other_length_is_noticed() {
        let file = seal().close(&component(3), PAYLOAD);
        for length in 0..file.len() {
            assert!(open(&component(3), &file[..length]).is_err(), "{length}");
        }
        for more in 1..100 {
            let longer = [file.as_slice(), &vec![0; more]].concat();

            assert!(open(&component(3), &longer).is_err(), "{more}");
        }
    }

    #[test]
    fn what_was_sealed_for_something_else_does_not_open() {
        let of = |seal: Seal| seal.close(&component(3), PAYLOAD);
        let open = |file: &[u8]| open(&component(3), file).unwrap_err();

        assert_eq!(open(&seal().close(&component(4), PAYLOAD)), Mismatch::Component);
        assert_eq!(open(&of(Seal::new([9; 32], [2; 32]))), Mismatch::Key);
        assert_eq!(open(&of(Seal::new([1; 32], [9; 32]))), Mismatch::Compatibility);
        // Whoever knows the format, and not the key, can write the id of the key.
        let forged = Seal { key_id: seal().key_id, ..Seal::new([9; 32], [2; 32]) };
        assert_eq!(open(&of(forged)), Mismatch::Tag);
        assert_eq!(open(&[0; 200]), Mismatch::Magic);
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", seal()), "Seal(…)");
    }
}
