//! The object store behind the bundle store: a directory, an S3 server, or memory for tests.
//!
//! Nothing above this file may care which. What differs is how a received file
//! becomes an object, what has to be synced by hand, and whether a store keeps
//! its word that a create does not replace.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::directory::Directory;
use super::layout::{Layout, hash_of_folder};
use super::s3::S3;
use super::{Doing, StoreError};
use crate::config::{S3Config, S3Location};
use crate::model::ContentHash;

/// An object store, and what is special about it.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    objects: Arc<dyn ObjectStore>,
    kind: Kind,
    /// Whether the store was seen to refuse to create what is there. Until then it is asked first.
    refuses_overwrite: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Kind {
    Directory(Arc<Directory>),
    S3(Arc<S3>),
    Memory,
}

/// What came of creating an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Created,
    /// It was there with the same content, and is durable.
    Same,
    /// Another content has the key. It was left as it is.
    Different,
}

/// Which writing of an object was read. Damage found in one says nothing about the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectVersion {
    e_tag: Option<String>,
    modified_ms: i64,
    size: u64,
}

impl Backend {
    pub(super) fn directory(root: &Path, layout: &Layout) -> Result<Self, StoreError> {
        let directory = Directory::open(root, layout)?;
        let objects = Arc::new(directory.objects());
        Ok(Self::new(objects, Kind::Directory(Arc::new(directory)), true))
    }

    pub(super) fn s3(
        config: &S3Config,
        location: &S3Location,
        public: Option<&S3Location>,
    ) -> Result<Self, StoreError> {
        let s3 = S3::open(config, location, public)?;
        Ok(Self::new(Arc::new(s3.objects()), Kind::S3(Arc::new(s3)), false))
    }

    pub(super) fn memory() -> Self {
        Self::new(Arc::new(InMemory::new()), Kind::Memory, true)
    }

    fn new(objects: Arc<dyn ObjectStore>, kind: Kind, refuses_overwrite: bool) -> Self {
        let refuses_overwrite = Arc::new(AtomicBool::new(refuses_overwrite));
        Self { objects, kind, refuses_overwrite }
    }

    pub(super) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    pub(super) fn as_s3(&self) -> Option<&S3> {
        if let Kind::S3(s3) = &self.kind { Some(s3) } else { None }
    }

    fn as_directory(&self) -> Option<&Arc<Directory>> {
        if let Kind::Directory(directory) = &self.kind { Some(directory) } else { None }
    }

    /// Remembers what a probe saw.
    pub(super) fn set_refuses_overwrite(&self, refuses: bool) {
        self.refuses_overwrite.store(refuses, Ordering::Relaxed);
    }

    /// Where uploads must be received so that they become objects without a copy.
    pub(super) fn staging(&self) -> Option<&Path> {
        self.as_directory().map(|directory| directory.staging())
    }

    /// The file that is the object `key`, if objects are files.
    pub(super) fn file(&self, key: &Key) -> Result<Option<PathBuf>, StoreError> {
        self.as_directory().map(|directory| directory.path(key)).transpose()
    }

    /// Makes the folders down to `key` itself, where there are folders.
    pub(super) async fn create_folders(&self, key: Key) -> Result<(), StoreError> {
        self.in_directory((), move |directory| {
            directory.create_folders(&key).map_err(StoreError::io("make a folder"))
        })
        .await
    }

    /// Makes the object `key` of `content`, never replacing one.
    pub(super) async fn create(
        &self,
        doing: Doing,
        key: &Key,
        content: Bytes,
    ) -> Result<Creation, StoreError> {
        if !self.refuses_overwrite.load(Ordering::Relaxed)
            && let Some(same) = self.same_content(key, &content).await?
        {
            return Ok(if same { Creation::Same } else { Creation::Different });
        }
        let put = self.objects.put_opts(key, content.clone().into(), PutMode::Create.into()).await;
        let Err(error) = put else { return Ok(Creation::Created) };
        // Taken, or failed after the object had its name: what is there decides.
        match self.same_content(key, &content).await? {
            None => Err(StoreError::object(doing, error)),
            Some(false) => Ok(Creation::Different),
            Some(true) => {
                let key = key.clone();
                self.in_directory((), move |directory| directory.sync(&key)).await?;
                Ok(Creation::Same)
            }
        }
    }

    /// Makes the object `key` of a received file, whose hash is known, never replacing one.
    pub(super) async fn adopt(
        &self,
        file: &Path,
        key: &Key,
        size: u64,
        hash: ContentHash,
    ) -> Result<Creation, StoreError> {
        let Some(directory) = self.as_directory().cloned() else {
            return self.send(file, key, size, hash).await;
        };
        let (source, target) = (file.to_owned(), key.clone());
        let link = move || directory.link(&source, &target, size, &hash);
        blocking(Doing::KeepArchive, link).await
    }

    /// The object `key`, which has `size` bytes.
    pub(super) async fn get(&self, key: &Key, size: u64) -> Result<Bytes, StoreError> {
        let object = |error| StoreError::object(Doing::Read, error);
        let found = self.objects.get(key).await.map_err(object)?;
        self.check_size(key, &found.meta, size).await?;
        found.bytes().await.map_err(object)
    }

    /// The object `key` of any size up to `limit`.
    pub(super) async fn get_up_to(&self, key: &Key, limit: u64) -> Result<Bytes, StoreError> {
        let object = |error| StoreError::object(Doing::Read, error);
        let found = self.objects.get(key).await.map_err(object)?;
        if found.meta.size > limit {
            let problem = format!("it has {} bytes; {limit} are allowed", found.meta.size);
            return Err(StoreError::integrity(key.as_ref(), problem));
        }
        found.bytes().await.map_err(object)
    }

    /// The object `key`, which has `size` bytes, as it arrives.
    pub(super) async fn stream(
        &self,
        key: &Key,
        size: u64,
    ) -> Result<(BoxStream<'static, Result<Bytes, StoreError>>, ObjectVersion), StoreError> {
        let object = |error| StoreError::object(Doing::Read, error);
        let found = self.objects.get(key).await.map_err(object)?;
        self.check_size(key, &found.meta, size).await?;
        let version = ObjectVersion::from(&found.meta);
        Ok((found.into_stream().map_err(object).boxed(), version))
    }

    /// The object `key`, which has `size` bytes, as a file at its beginning.
    ///
    /// An object that is no file yet becomes one without a name in `spool`.
    pub(super) async fn open(
        &self,
        key: &Key,
        size: u64,
        spool: &Path,
    ) -> Result<(File, ObjectVersion), StoreError> {
        let object = |error| StoreError::object(Doing::Read, error);
        let found = self.objects.get(key).await.map_err(object)?;
        self.check_size(key, &found.meta, size).await?;
        let version = ObjectVersion::from(&found.meta);
        let mut stream = match found.payload {
            GetResultPayload::File(file, _) => return Ok((file, version)),
            GetResultPayload::Stream(stream) => stream,
        };
        let io = StoreError::io("spool an object");
        let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(spool).map_err(&io)?);
        while let Some(chunk) = stream.try_next().await.map_err(object)? {
            file.write_all(&chunk).await.map_err(&io)?;
        }
        file.flush().await.map_err(&io)?;
        let mut file = file.into_std().await;
        file.rewind().map_err(&io)?;
        Ok((file, version))
    }

    pub(super) async fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.size(key).await?.is_some())
    }

    /// The size of the object `key`, if it is there.
    pub(super) async fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        match self.objects.head(key).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::object(Doing::Look, error)),
        }
    }

    /// The bundles that have a folder in `place`, whole or not.
    pub(super) async fn bundles(&self, place: &Key) -> Result<Vec<ContentHash>, StoreError> {
        let listed = self.objects.list_with_delimiter(Some(place)).await;
        let listed = listed.map_err(|error| StoreError::object("list bundles", error))?;
        let folders = listed.common_prefixes.iter();
        Ok(folders.filter_map(|folder| hash_of_folder(folder.filename()?)).collect())
    }

    /// The keys of all objects below `folder`, and when the newest of them was written.
    pub(super) async fn objects_below(
        &self,
        folder: &Key,
    ) -> Result<(Vec<Key>, Option<Timestamp>), StoreError> {
        let list = self.objects.list(Some(folder)).try_collect::<Vec<ObjectMeta>>().await;
        let objects = list.map_err(|error| StoreError::object("list a bundle", error))?;
        let newest = objects.iter().map(|meta| meta.last_modified.timestamp_millis()).max();
        let newest = newest.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok((objects.into_iter().map(|meta| meta.location).collect(), newest))
    }

    /// Bytes of all objects below `folder`.
    pub(super) async fn bytes_below(&self, folder: &Key) -> Result<u64, StoreError> {
        let sizes = self.objects.list(Some(folder)).map_ok(|meta| meta.size);
        let sum = sizes.try_fold(0, |sum, size| async move { Ok(sum + size) });
        sum.await.map_err(|error| StoreError::object("list bundles", error))
    }

    /// Removes objects below `folder` that were written before `older_than`; says how many.
    pub(super) async fn remove_older(
        &self,
        folder: &Key,
        older_than: Timestamp,
    ) -> Result<usize, StoreError> {
        let list = self.objects.list(Some(folder)).try_collect::<Vec<ObjectMeta>>().await;
        let objects = list.map_err(|error| StoreError::object("list leftovers", error))?;
        let before_ms = older_than.as_millisecond();
        let old = objects.iter().filter(|meta| meta.last_modified.timestamp_millis() < before_ms);
        let mut removed = 0;
        for meta in old {
            self.remove(&meta.location).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes one object. None there is no error.
    pub(super) async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        match self.objects.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StoreError::object("remove an object", error)),
        }
    }

    /// Removes all objects below `folder`. None there is no error.
    pub(super) async fn remove_folder(&self, folder: &Key) -> Result<(), StoreError> {
        if let Some(directory) = self.as_directory().cloned() {
            let folder = folder.clone();
            return blocking("remove a bundle", move || directory.remove_folder(&folder)).await;
        }
        for key in self.objects_below(folder).await?.0 {
            self.remove(&key).await?;
        }
        Ok(())
    }

    async fn same_content(&self, key: &Key, content: &Bytes) -> Result<Option<bool>, StoreError> {
        match self.get(key, content.len() as u64).await {
            Ok(found) => Ok(Some(found == *content)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(StoreError::Integrity { .. }) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    async fn in_directory<T: Send + 'static>(
        &self,
        otherwise: T,
        work: impl FnOnce(&Directory) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(directory) = self.as_directory().cloned() else { return Ok(otherwise) };
        blocking("use its folder", move || work(&directory)).await
    }

    /// Whether an answer has the length that its object should have.
    ///
    /// Another length is damage only if the store says so twice: an answer can
    /// be mangled on its way, and damage has consequences.
    pub(super) async fn check_size(
        &self,
        key: &Key,
        meta: &ObjectMeta,
        size: u64,
    ) -> Result<(), StoreError> {
        if meta.size == size {
            return Ok(());
        }
        if self.as_s3().is_some() && self.size(key).await? == Some(size) {
            let problem = format!("an answer had {} bytes, the object has {size}", meta.size);
            return Err(StoreError::unavailable(Doing::Read, problem));
        }
        let problem = format!("it has {} bytes and should have {size}", meta.size);
        Err(StoreError::integrity(key.as_ref(), problem))
    }
}

impl From<&ObjectMeta> for ObjectVersion {
    fn from(meta: &ObjectMeta) -> Self {
        let modified_ms = meta.last_modified.timestamp_millis();
        Self { e_tag: meta.e_tag.clone(), modified_ms, size: meta.size }
    }
}

/// Runs `work`, which waits for a disk or keeps a core busy, off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    doing: impl Into<Doing>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(|error| StoreError::unavailable(doing, error))?
}

/// Writes and removes a small file in `folder`.
pub(super) fn probe(folder: &Path) -> Result<(), StoreError> {
    let probe = tempfile::tempfile_in(folder).and_then(|mut file| file.write_all(b"probe"));
    probe.map_err(StoreError::io("write to its folder"))
}
