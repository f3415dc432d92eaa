//! Hashes the compressed bytes beside the thread that decodes them.
//!
//! Every byte of a large bundle is hashed twice, packed and unpacked; on one
//! thread that is most of the time that reading takes.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use crate::model::{ContentHash, StreamHasher};

/// Below this a thread costs more than it saves.
const MIN_BYTES: usize = 1024 * 1024;
/// Pieces on their way: bounds the memory, evens out the pace.
const PIECES: usize = 4;

/// An archive that is hashed while it is read.
pub(super) struct SideHashed<R> {
    archive: R,
    hash: SideHash,
    size: u64,
}

impl<R: Read> SideHashed<R> {
    pub(super) fn new(archive: R) -> Self {
        Self { archive, hash: SideHash::new(), size: 0 }
    }

    /// The hash and the number of the bytes that were read.
    pub(super) fn finish(self) -> (ContentHash, u64) {
        (ContentHash::from(self.hash.finish()), self.size)
    }
}

impl<R: Read> Read for SideHashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// SHA-256 of everything it is given, in order.
enum SideHash {
    /// Few bytes so far.
    Here { hasher: StreamHasher, seen: usize },
    /// A thread has taken over.
    Aside { work: SyncSender<Vec<u8>>, used: Receiver<Vec<u8>>, worker: JoinHandle<StreamHasher> },
}

impl SideHash {
    fn new() -> Self {
        Self::Here { hasher: StreamHasher::new(), seen: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here { hasher, seen } => {
                hasher.update(bytes);
                *seen += bytes.len();
                if *seen >= MIN_BYTES {
                    let hasher = hasher.clone();
                    // Without a thread the work is done here, as before.
                    *self = Self::aside(hasher.clone()).unwrap_or(Self::Here { hasher, seen: 0 });
                }
            }
            Self::Aside { work, used, .. } => {
                let mut piece = used.try_recv().unwrap_or_default();
                piece.clear();
                piece.extend_from_slice(bytes);
                work.send(piece).expect("the thread hashes until it is told to stop");
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        let hasher = match self {
            Self::Here { hasher, .. } => hasher,
            Self::Aside { work, worker, .. } => {
                drop(work);
                worker.join().expect("hashing does not panic")
            }
        };
        hasher.finalize()
    }

    fn aside(mut hasher: StreamHasher) -> Option<Self> {
        let (work, pieces) = mpsc::sync_channel::<Vec<u8>>(PIECES);
        let (give_back, used) = mpsc::channel();
        let run = move || {
            for piece in pieces {
                hasher.update(&piece);
                // The reader may be gone; then nobody needs the memory.
                let _ = give_back.send(piece);
            }
            hasher
        };
        let worker = thread::Builder::new().name("bundle-hash".to_owned()).spawn(run).ok()?;
        Some(Self::Aside { work, used, worker })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_hash_is_the_same_on_either_thread() {
        let bytes: Vec<u8> = (0..3_000_017_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
        let mut hash = SideHash::new();

        bytes.chunks(77_777).for_each(|piece| hash.update(piece));

        assert!(matches!(hash, SideHash::Aside { .. }));
        assert_eq!(hash.finish(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
