//! Unpacked files on disk, by content hash, so that a request reads a plain file.
//!
//! A bundle is in `unpacked/<hex>/` with all its files or not at all. Every file
//! is held against the version's file table before its first use in this
//! process and again when anything about it changed; what does not match is
//! thrown away with its whole bundle and unpacked again.
//!
//! What an earlier process left is served at once. How many bytes it has is asked when they
//! matter first: that takes a quarter of a second for a thousand bundles.

mod encoded;
mod index;

pub(super) use encoded::EncodedDraft;

use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use uuid::Uuid;

use self::encoded::EncodedFiles;
use self::index::{Fingerprint, Index};
use super::durable::{create_private_dir, empty_dir, remove_tree, sync_dir, sync_tree};
use super::layout::hash_of_folder;
use super::unpack::StoredArchive;
use super::{StoreError, beneath};
use crate::model::{ContentHash, FileEntry, StreamHasher};

/// The cache; all calls block.
#[derive(Debug)]
pub(super) struct DiskCache {
    unpacked: PathBuf,
    tmp: PathBuf,
    limit: u64,
    index: Mutex<Index>,
    /// Held while bytes are counted: the others wait and then find them counted.
    measuring: Mutex<()>,
    encoded: EncodedFiles,
}

impl DiskCache {
    /// Opens the cache in `folder`, with at most `limit` bytes of files. Those that are
    /// there count from the first call of [`DiskCache::trim`] or of one that adds to them.
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self, StoreError> {
        let io = StoreError::io("open its cache");
        let (unpacked, tmp) = (folder.join("unpacked"), folder.join("tmp"));
        let encoded = folder.join("encoded");
        for folder in [folder, &unpacked, &encoded, &tmp] {
            create_private_dir(folder).map_err(&io)?;
        }
        empty_dir(&tmp).map_err(&io)?;
        let index = survey(&unpacked).map_err(&io)?;
        let encoded = EncodedFiles::survey(encoded, &index).map_err(&io)?;
        let (index, measuring) = (Mutex::new(index), Mutex::default());
        Ok(Self { unpacked, tmp, limit, index, measuring, encoded })
    }

    /// A folder on the same disk for files that pass through.
    pub(super) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// The file, if that can be said at once: it was checked in this process, is what
    /// it was then, and the disk need not be asked.
    pub(super) fn open_at_once(&self, hash: &ContentHash, entry: &FileEntry) -> Option<File> {
        let name = format!("{}/{}", hash.hex(), entry.path);
        let file = beneath::open_at_once(&self.unpacked, &name).ok()?;
        self.was_checked(hash, entry.path.as_str(), entry.size, &file).then_some(file)
    }

    /// Whether this very file was found to be what it should be, in this process.
    fn was_checked(&self, hash: &ContentHash, name: &str, size: u64, file: &File) -> bool {
        let fingerprint = fingerprint(file, size).ok().flatten();
        fingerprint.is_some_and(|fingerprint| self.index().use_file(hash, name, &fingerprint))
    }

    /// The same; a file that was not is held against what it should be, and remembered.
    fn check(
        &self,
        (hash, name, size): (&ContentHash, &str, u64),
        file: &mut File,
        is_it: impl FnOnce(&mut File) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let Some(fingerprint) = fingerprint(file, size)? else { return Ok(false) };
        if self.index().use_file(hash, name, &fingerprint) {
            return Ok(true);
        }
        let is_it = is_it(file)?;
        file.rewind()?;
        if is_it {
            self.index().remember(hash, name, fingerprint);
        }
        Ok(is_it)
    }

    /// The file, if it is here and is the one that was verified.
    pub(super) fn open_file(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
    ) -> Result<Option<File>, StoreError> {
        let opened = beneath::open(&self.unpacked, &format!("{}/{}", hash.hex(), entry.path));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if is_not_the_file(error) => return Ok(None),
            Err(error) => return Err(StoreError::io("open a file")(error.into())),
        };
        let has_digest = |file: &mut File| {
            let (size, digest) = StreamHasher::of_reader(file)?;
            Ok(size == entry.size && digest == *entry.sha256.as_bytes())
        };
        let checked = self.check((hash, entry.path.as_str(), entry.size), &mut file, has_digest);
        Ok(checked.map_err(StoreError::io("read a file"))?.then_some(file))
    }

    /// Unpacks a bundle, in the place of whatever was there.
    pub(super) fn fill(&self, archive: StoredArchive<'_>) -> Result<(), StoreError> {
        let hash = archive.version.content_hash;
        let bytes = archive.version.files.iter().map(|file| file.size).sum();
        self.remove(&hash)?;
        self.make_room(bytes)?;
        // Counted before it is there, so that two fills do not take the same room.
        self.index().insert(hash, bytes);

        let folder = self.tmp.join(Uuid::new_v4().to_string());
        let filled = self.fill_through(&folder, archive);
        let mut index = self.index();
        match &filled {
            Ok(()) => index.insert(hash, bytes),
            Err(_) => index.remove(&hash),
        }
        drop(index);
        if let Err(error) = remove_tree(&folder) {
            tracing::warn!(%error, "Could not remove a half unpacked bundle: {error}");
        }
        filled
    }

    fn fill_through(&self, folder: &Path, archive: StoredArchive<'_>) -> Result<(), StoreError> {
        let io = StoreError::io("unpack a bundle");
        let target = self.unpacked.join(archive.version.content_hash.hex());
        create_private_dir(folder).map_err(&io)?;
        archive.unpack_into(folder)?;
        sync_tree(folder).map_err(&io)?;
        fs::rename(folder, &target).map_err(&io)?;
        sync_dir(&self.unpacked).map_err(&io)
    }

    /// Forgets and removes a bundle. Files that are open stay readable.
    pub(super) fn remove(&self, hash: &ContentHash) -> Result<(), StoreError> {
        self.index().remove(hash);
        self.encoded.forget(hash);
        let folders = [self.encoded.of(hash), self.unpacked.join(hash.hex())];
        folders.iter().try_for_each(|folder| self.discard(folder))
    }

    /// Removes a folder, moved first: nobody finds half of it.
    fn discard(&self, folder: &Path) -> Result<(), StoreError> {
        let io = StoreError::io("remove unpacked files");
        let away = self.tmp.join(Uuid::new_v4().to_string());
        match fs::rename(folder, &away) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(&io)?,
        }
        remove_tree(&away).map_err(&io)
    }

    /// Removes the bundles longest unused until the rest is within the limit.
    pub(super) fn trim(&self) -> Result<(), StoreError> {
        self.make_room(0)
    }

    /// Removes the bundles longest unused until `bytes` more fit.
    ///
    /// One bundle larger than the whole cache is kept as the only one: its
    /// pages have to come from somewhere.
    fn make_room(&self, bytes: u64) -> Result<(), StoreError> {
        self.measure()?;
        loop {
            let oldest = self.index().oldest_beyond(self.limit.saturating_sub(bytes));
            let Some(oldest) = oldest else { return Ok(()) };
            self.remove(&oldest)?;
        }
    }

    /// Counts the bytes of what an earlier process left, once. Requests go on meanwhile.
    fn measure(&self) -> Result<(), StoreError> {
        let _measuring = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
        let hashes = self.index().unmeasured();
        for hash in hashes {
            let folders = [self.unpacked.join(hash.hex()), self.encoded.of(&hash)];
            let [bytes, encoded] = folders.map(|folder| bytes_below(&folder));
            let io = StoreError::io("look at its cache");
            self.index().measured(&hash, bytes.map_err(&io)?, encoded.map_err(&io)?);
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What would change with a file, if it is one of so many bytes.
fn fingerprint(file: &File, size: u64) -> io::Result<Option<Fingerprint>> {
    let metadata = file.metadata()?;
    let is_one = metadata.is_file() && metadata.len() == size;
    Ok(is_one.then(|| Fingerprint::from(&metadata)))
}

/// The errors that say: not there, or something else in its place.
fn is_not_the_file(error: Errno) -> bool {
    let errors = [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::MLINK, // What some systems say to a link that must not be followed.
        Errno::XDEV,
        Errno::ACCESS,
        Errno::ISDIR,
        Errno::NXIO,
        Errno::OPNOTSUPP,
    ];
    errors.contains(&error)
}

/// What is in the folder, the longest unchanged first. Strangers are removed.
fn survey(unpacked: &Path) -> io::Result<Index> {
    let mut found = Vec::new();
    for entry in fs::read_dir(unpacked)? {
        let entry = entry?;
        let hash = entry.file_name().to_str().and_then(hash_of_folder);
        match hash {
            Some(hash) if entry.file_type()?.is_dir() => {
                found.push((entry.metadata()?.modified()?, hash));
            }
            _ if entry.file_type()?.is_dir() => remove_tree(&entry.path())?,
            _ => fs::remove_file(entry.path())?,
        }
    }
    found.sort();
    let mut index = Index::default();
    for (_, hash) in found {
        index.take_over(hash);
    }
    Ok(index)
}

/// Bytes of all files; none of a folder that is not there, or was removed meanwhile.
fn bytes_below(folder: &Path) -> io::Result<u64> {
    let measure = || -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
        }
        Ok(bytes)
    };
    match measure() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        measured => measured,
    }
}
