//! Looking at a file as opening it would, and leaving it as it is.
//!
//! Opening a file checks every page, repairs what a kill left and brings an older format forward.
//! All of that happens here too, so that what is found is what a start finds; only that what is
//! written stays in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::storage::builder;
use super::{Content, FileError, KeeperError, caught, failed};

/// What is so of a file that nothing is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It can be opened.
    Sound,
    /// Another process has it open, and changes it at any time: it was not read.
    InUse,
}

/// Looks at `file`, which is there, and has `load` read what its keeper reads at a start.
///
/// The file is neither locked nor written: whoever opens it meanwhile is not disturbed.
pub fn examine<C: Content>(
    content: &C,
    file: &Path,
    cache_bytes: usize,
    load: impl FnOnce(&Database) -> Result<(), C::Error>,
) -> Result<Examined, C::Error> {
    let not_opened = |error| failed::<C>("opened", file, error);
    let disk = File::open(file).map_err(not_opened)?;
    if is_in_use(&disk) {
        return Ok(Examined::InUse);
    }
    let examined = caught(|| {
        let overlay = disk.try_clone().and_then(Overlay::over).map_err(not_opened)?;
        // redb makes a database of an empty backend, and refuses an empty file.
        if overlay.changes().length == 0 {
            return Err(FileError::damaged(C::Error::NOUN, file, &"it is empty").into());
        }
        let opened = builder(cache_bytes).create_with_backend(overlay);
        let db = opened.map_err(|error| FileError::opening::<C>(file, error))?;
        content.upgrade(&db, file)?;
        load(&db)
    });
    match examined {
        Ok(()) => Ok(Examined::Sound),
        // It was opened, and changed, while it was read.
        Err(_) if is_in_use(&disk) => Ok(Examined::InUse),
        Err(error) => Err(error),
    }
}

/// Whether a process holds one of the locks that redb takes. Asking takes none.
fn is_in_use(disk: &File) -> bool {
    let Ok(Ok(backend)) = disk.try_clone().map(FileBackend::new) else { return false };
    // A file system without such locks keeps nobody out either.
    backend.query_lock_range(Bound::Unbounded, Bound::Unbounded).unwrap_or(false)
}

/// Bytes that are kept together once one of them is written.
const BLOCK_BYTES: u64 = 4096;

/// A file that is read, and in memory what was written over it.
#[derive(Debug)]
struct Overlay {
    disk: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    /// Of the whole, in bytes.
    length: u64,
    /// From here on the file is not read: what is not written is zero.
    read_until: u64,
    /// What was written, by the number of the block.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    fn over(disk: File) -> io::Result<Self> {
        let length = disk.metadata()?.len();
        let changes = Changes { length, read_until: length, blocks: BTreeMap::new() };
        Ok(Self { disk, changes: Mutex::new(changes) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the file has at `offset`, and zeros from `read_until` on.
    fn read_disk(&self, read_until: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = read_until.saturating_sub(offset);
        let there = usize::try_from(there).map_or(out.len(), |there| there.min(out.len()));
        let (from_disk, zeros) = out.split_at_mut(there);
        zeros.fill(0);
        self.disk.read_exact_at(from_disk, offset)
    }
}

/// The pieces of `length` bytes from `offset`, each in one block: its number, where in the block
/// it begins, and how long it is.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, end) = (offset, offset + length as u64);
    std::iter::from_fn(move || {
        let (block, within) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
        let piece = (BLOCK_BYTES - within).min(end - at);
        at += piece;
        let small = |bytes| usize::try_from(bytes).expect("it is no longer than a block");
        (piece > 0).then(|| (block, small(within), small(piece)))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > changes.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_disk(changes.read_until, offset, out)?;
        let mut rest = out;
        for (block, within, length) in pieces(offset, rest.len()) {
            let (piece, after) = rest.split_at_mut(length);
            if let Some(written) = changes.blocks.get(&block) {
                piece.copy_from_slice(&written[within..within + length]);
            }
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.length = length;
        changes.read_until = changes.read_until.min(length);
        // What was cut off is zero when it comes back.
        changes.blocks.retain(|block, _| block * BLOCK_BYTES < length);
        if let Some(last) = changes.blocks.get_mut(&(length / BLOCK_BYTES)) {
            let left = usize::try_from(length % BLOCK_BYTES).expect("it is less than a block");
            last[left..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        changes.length = changes.length.max(offset + data.len() as u64);
        let (read_until, mut rest) = (changes.read_until, data);
        for (block, within, length) in pieces(offset, data.len()) {
            let (piece, after) = rest.split_at(length);
            let written = match changes.blocks.entry(block) {
                Entry::Occupied(written) => written.into_mut(),
                Entry::Vacant(free) => {
                    let mut whole = vec![0; usize::try_from(BLOCK_BYTES).expect("it is small")];
                    self.read_disk(read_until, block * BLOCK_BYTES, &mut whole)?;
                    free.insert(whole)
                }
            };
            written[within..within + length].copy_from_slice(piece);
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file of 10,000 bytes that are all 7, and an overlay over it.
    fn overlay(folder: &tempfile::TempDir) -> Overlay {
        let path = folder.path().join("file");
        fs::write(&path, [7; 10_000]).unwrap();
        Overlay::over(File::open(path).unwrap()).unwrap()
    }

    fn bytes(overlay: &Overlay, offset: u64, length: usize) -> Vec<u8> {
        let mut out = vec![1; length];
        overlay.read(offset, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_is_read_and_the_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = overlay(&folder);

        overlay.write(4_090, &[9; 4_200]).unwrap();

        let written = [vec![7; 90], vec![9; 4_200], vec![7; 10]].concat();
        assert_eq!(bytes(&overlay, 4_000, 4_300), written);
        assert_eq!(bytes(&overlay, 0, 4_000), [7; 4_000]);
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), [7; 10_000]);
    }

    #[test]
    fn what_was_cut_off_is_zero_when_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = overlay(&folder);
        overlay.write(8_200, &[9; 100]).unwrap();

        overlay.set_len(8_250).unwrap();
        overlay.set_len(20_000).unwrap();

        assert_eq!(overlay.len().unwrap(), 20_000);
        let read = [vec![7; 8], vec![9; 50], vec![0; 11_750]].concat();
        assert_eq!(bytes(&overlay, 8_192, 11_808), read);
        overlay.set_len(5_000).unwrap();
        overlay.set_len(6_000).unwrap();
        assert_eq!(bytes(&overlay, 4_999, 3), [7, 0, 0]);
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let overlay = overlay(&folder);
        overlay.write(10_000, &[9]).unwrap();

        assert_eq!(bytes(&overlay, 9_999, 2), [7, 9]);
        for offset in [10_000, 10_001, u64::MAX] {
            let error = overlay.read(offset, &mut [0; 2]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}");
        }
    }
}
