//! SHA-256 of what comes in pieces.

use std::fmt;
use std::io::{self, Read};

use ring::digest::{Context, SHA256};

/// Bytes read at a time.
const READ_BYTES: usize = 128 * 1024;

/// Hashes bundles and files while they pass.
///
/// Two implementations are compiled in, and this is ring's: on processors
/// without instructions for SHA-256 it is about half again as fast as that of
/// `sha2`, and a bundle of 200 MiB is hashed several times on its way.
#[derive(Clone)]
pub struct StreamHasher(Context);

impl StreamHasher {
    /// A hasher of nothing yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// The SHA-256 of `bytes`.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher.finalize()
    }

    /// The size and the SHA-256 of all that `reader` gives.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(u64, [u8; 32])> {
        let mut hasher = Self::new();
        let (mut size, mut buffer) = (0, vec![0; READ_BYTES]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok((size, hasher.finalize())),
                read => {
                    hasher.update(&buffer[..read]);
                    size += read as u64;
                }
            }
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The SHA-256 of all bytes so far.
    pub fn finalize(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

impl Default for StreamHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StreamHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamHasher")
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn pieces_have_the_hash_of_the_whole() {
        let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for piece in [1_000, 4_096, whole.len()] {
            let mut hasher = StreamHasher::new();
            whole.chunks(piece).for_each(|bytes| hasher.update(bytes));

            assert_eq!(hasher.finalize(), <[u8; 32]>::from(Sha256::digest(&whole)), "{piece}");
        }
        let digest = <[u8; 32]>::from(Sha256::digest(&whole));
        let read = StreamHasher::of_reader(whole.as_slice()).unwrap();
        assert_eq!(read, (whole.len() as u64, digest));
        let empty = hex::encode(StreamHasher::new().finalize());
        assert!(empty.starts_with("e3b0c44298fc1c14"), "{empty}");
    }
}
