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
use std::ops::Range;

use subtle::ConstantTimeEq;

use crate::model::FileDigest;

const MAGIC: [u8; 10] = *b"PBCWASM1\0\0";
const TAG_BYTES: usize = 32;
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

    /// Where the compiled form of `component` is in `file`, if this seal closed it.
    pub(super) fn open(
        &self,
        component: &FileDigest,
        file: &[u8],
    ) -> Result<Range<usize>, Mismatch> {
        let payload_bytes = file.len().checked_sub(HEADER_BYTES + TAG_BYTES);
        let payload_bytes = payload_bytes.ok_or(Mismatch::Length)?;
        if !file.starts_with(&MAGIC) {
            return Err(Mismatch::Magic);
        }
        // Only says what to tell people: the tag decides.
        if file[MAGIC.len()..][..self.key_id.len()] != self.key_id {
            return Err(Mismatch::Key);
        }
        let (sealed, tag) = file.split_at(file.len() - TAG_BYTES);
        let expected = blake3::keyed_hash(&self.key, sealed);
        if !bool::from(expected.as_bytes()[..].ct_eq(tag)) {
            return Err(Mismatch::Tag);
        }
        let header = self.header(component, payload_bytes);
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
            if file[field.clone()] != header[field] {
                return Err(mismatch);
            }
        }
        Ok(HEADER_BYTES..HEADER_BYTES + payload_bytes)
    }

    /// Whether a file of `bytes` that begins with `head` looks as if this seal had closed it.
    /// What it holds is still to be opened.
    pub(super) fn looks_closed(
        &self,
        component: &FileDigest,
        head: &[u8; HEADER_BYTES],
        bytes: u64,
    ) -> bool {
        let around = HEADER_BYTES + TAG_BYTES;
        let payload = usize::try_from(bytes).ok().and_then(|bytes| bytes.checked_sub(around));
        payload.is_some_and(|payload| self.header(component, payload) == head)
    }

    fn header(&self, component: &FileDigest, payload_bytes: usize) -> Vec<u8> {
        let length = (payload_bytes as u64).to_le_bytes();
        let parts: [&[u8]; 5] =
            [&MAGIC, &self.key_id, component.as_bytes(), &self.compatibility, &length];
        parts.concat()
    }
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

    #[test]
    fn what_was_sealed_opens() {
        for payload in [PAYLOAD, b""] {
            let file = seal().close(&component(3), payload);

            let opened = seal().open(&component(3), &file).unwrap();

            assert_eq!(&file[opened], payload);
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let file = seal().close(&component(3), PAYLOAD);
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);

            assert!(seal().open(&component(3), &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_other_length_is_noticed() {
        let file = seal().close(&component(3), PAYLOAD);
        for length in 0..file.len() {
            assert!(seal().open(&component(3), &file[..length]).is_err(), "{length}");
        }
        for more in 1..100 {
            let longer = [file.as_slice(), &vec![0; more]].concat();

            assert!(seal().open(&component(3), &longer).is_err(), "{more}");
        }
    }

    #[test]
    fn what_was_sealed_for_something_else_does_not_open() {
        let of = |seal: Seal| seal.close(&component(3), PAYLOAD);
        let open = |file: &[u8]| seal().open(&component(3), file).unwrap_err();

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
