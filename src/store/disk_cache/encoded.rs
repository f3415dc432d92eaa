//! Where pages in shorter forms are: `<hex>/<digest of the file>.<coding>`, with an index.

mod draft;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use uuid::Uuid;

pub(in crate::store) use draft::EncodedDraft;

use super::DiskCache;
use super::index::Index;
use super::is_not_the_file;
use crate::model::{ContentCoding, ContentHash, FileDigest, FileEntry, StreamHasher};
use crate::store::durable::remove_tree;
use crate::store::encoded::{EncodedForm, EncodedForms, EncodedTable, codec};
use crate::store::layout::hash_of_folder;
use crate::store::{StoreError, beneath};

/// The forms of the bundles in the cache.
#[derive(Debug)]
pub(super) struct EncodedFiles {
    folder: PathBuf,
    tables: RwLock<HashMap<ContentHash, Arc<EncodedTable>>>,
}

impl EncodedFiles {
    /// Takes over the forms that are in `folder`. Those of no bundle are removed.
    pub(super) fn survey(folder: PathBuf, index: &Index) -> io::Result<Self> {
        for entry in fs::read_dir(&folder)? {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
            let hash = path.file_name().and_then(|name| name.to_str()).and_then(hash_of_folder);
            match (hash, entry?.is_dir()) {
                (Some(hash), true) if index.contains(&hash) => {}
                (_, true) => remove_tree(&path)?,
                (_, false) => fs::remove_file(path)?,
            }
        }
        Ok(Self { folder, tables: RwLock::default() })
    }

    pub(super) fn of(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(hash.hex())
    }

    /// From now on it is not known what there is of a bundle.
    pub(super) fn forget(&self, hash: &ContentHash) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(hash);
    }

    fn learn(&self, hash: ContentHash, table: EncodedTable) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.insert(hash, Arc::new(table));
    }

    fn table(&self, hash: &ContentHash) -> Option<Arc<EncodedTable>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }
}

impl DiskCache {
    /// Whether it is known what there is of a bundle.
    pub(in crate::store) fn knows_encoded(&self, hash: &ContentHash) -> bool {
        self.encoded.table(hash).is_some()
    }

    pub(in crate::store) fn encoded_forms(
        &self,
        hash: &ContentHash,
        file: &FileDigest,
    ) -> Option<EncodedForms> {
        Some(self.encoded.table(hash)?.get(file).copied().unwrap_or_default())
    }

    /// Takes over what another process has made, if all of it is there.
    pub(in crate::store) fn adopt_encoded(&self, hash: ContentHash, recipe: &str) -> bool {
        let Some(table) = draft::listed(&self.encoded.of(&hash), recipe) else { return false };
        let index = self.index();
        let is_unpacked = index.contains(&hash);
        if is_unpacked {
            self.encoded.learn(hash, table);
        }
        is_unpacked
    }

    /// Begins to make the forms of a bundle.
    pub(in crate::store) fn draft_encoded(&self) -> Result<EncodedDraft, StoreError> {
        EncodedDraft::begin(self.tmp.join(Uuid::new_v4().to_string()))
    }

    /// Keeps the forms of a bundle that is unpacked still, in the place of those there were.
    ///
    /// None are kept of a bundle with which the cache would be over its limit: they
    /// would push out what they were made of.
    pub(in crate::store) fn keep_encoded(
        &self,
        hash: ContentHash,
        mut draft: EncodedDraft,
        recipe: &str,
    ) -> Result<(), StoreError> {
        let table = draft.finish(recipe)?;
        self.measure()?;
        self.discard(&self.encoded.of(&hash))?;
        let mut index = self.index();
        let Some(unpacked) = index.bytes_of(&hash) else { return Ok(()) };
        if unpacked.saturating_add(draft.bytes) > self.limit {
            self.encoded.learn(hash, EncodedTable::new());
            return Ok(());
        }
        // With the index locked: who removes the bundle finds all of it or nothing.
        fs::rename(&draft.folder, self.encoded.of(&hash))
            .map_err(StoreError::io("keep compressed pages"))?;
        index.set_encoded(&hash, draft.bytes);
        self.encoded.learn(hash, table);
        drop(index);
        self.trim()
    }

    /// One form of a file, if it can be opened at once: see [`DiskCache::open_at_once`].
    pub(in crate::store) fn open_encoded_at_once(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
        coding: ContentCoding,
        form: &EncodedForm,
    ) -> Option<File> {
        let name = format!("{}/{}", hash.hex(), file_name(&entry.sha256, coding));
        let file = beneath::open_at_once(&self.encoded.folder, &name).ok()?;
        self.was_checked(hash, &checked_as(entry, coding), form.bytes, &file).then_some(file)
    }

    /// One form of a file, if it is here and decodes to it.
    pub(in crate::store) fn open_encoded(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
        coding: ContentCoding,
        form: &EncodedForm,
    ) -> Result<Option<File>, StoreError> {
        let Some(mut file) = self.find_encoded(hash, entry, coding)? else { return Ok(None) };
        let is_of_it = |file: &mut File| {
            let (_, digest) = StreamHasher::of_reader(&mut *file)?;
            file.rewind()?;
            Ok(digest == *form.sha256.as_bytes() && codec::is_of(coding, file, entry)?)
        };
        let name = checked_as(entry, coding);
        let is_good = self.check((hash, &name, form.bytes), &mut file, is_of_it);
        let is_good = is_good.map_err(StoreError::io("read a file"))?;
        Ok(if is_good { Some(file) } else { self.lose_encoded(hash, entry, coding)? })
    }

    /// The same, read whole.
    pub(in crate::store) fn read_encoded(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
        coding: ContentCoding,
        form: &EncodedForm,
    ) -> Result<Option<Bytes>, StoreError> {
        let io = StoreError::io("read a file");
        let Some(file) = self.find_encoded(hash, entry, coding)? else { return Ok(None) };
        if !file.metadata().map_err(&io)?.is_file() {
            return self.lose_encoded(hash, entry, coding);
        }
        let bytes = read_up_to(file, form.bytes).map_err(&io)?;
        let is_good = StreamHasher::digest(&bytes) == *form.sha256.as_bytes()
            && codec::is_of(coding, &*bytes, entry).map_err(&io)?;
        if is_good { Ok(Some(bytes.into())) } else { self.lose_encoded(hash, entry, coding) }
    }

    fn find_encoded(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
        coding: ContentCoding,
    ) -> Result<Option<File>, StoreError> {
        let name = format!("{}/{}", hash.hex(), file_name(&entry.sha256, coding));
        match beneath::open(&self.encoded.folder, &name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_not_the_file(error) => self.lose_encoded(hash, entry, coding),
            Err(error) => Err(StoreError::io("open a file")(error.into())),
        }
    }

    /// Throws away all forms of a bundle, so that they are made anew.
    fn lose_encoded<T>(
        &self,
        hash: &ContentHash,
        entry: &FileEntry,
        coding: ContentCoding,
    ) -> Result<Option<T>, StoreError> {
        tracing::warn!(
            bundle.hash = %hash,
            "`{}` is missing or damaged in the form {}; compressed pages are made anew",
            entry.path,
            coding.as_str(),
        );
        self.encoded.forget(hash);
        self.index().set_encoded(hash, 0);
        self.discard(&self.encoded.of(hash))?;
        Ok(None)
    }
}

fn file_name(digest: &FileDigest, coding: ContentCoding) -> String {
    format!("{digest}.{}", coding.as_str())
}

/// No path of a bundle begins with a slash.
fn checked_as(entry: &FileEntry, coding: ContentCoding) -> String {
    format!("/{}", file_name(&entry.sha256, coding))
}

/// All of a file that has `bytes` bytes; one more of one that is longer.
fn read_up_to(file: File, bytes: u64) -> io::Result<Vec<u8>> {
    let expected = file.metadata()?.len().min(bytes);
    let mut read = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    file.take(bytes.saturating_add(1)).read_to_end(&mut read)?;
    Ok(read)
}
