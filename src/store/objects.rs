//! Putting verified bundles and reading them back.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use object_store::path::Path as Key;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::backend::{ObjectVersion, blocking};
use super::layout::Place;
use super::mend::Kept;
use super::unpack::StoredArchive;
use super::{BundleStore, Doing, StoreError};
use crate::model::{ContentHash, ExtensionVersion, FileEntry, KeyId};
use crate::trust::VerifiedBundle;

impl BundleStore {
    /// Stores a verified bundle. Storing it twice changes nothing, but objects
    /// of it that were damaged meanwhile are replaced.
    ///
    /// When this returns everything is durable, and only then may the registry
    /// name the bundle.
    pub async fn put(&self, bundle: &VerifiedBundle) -> Result<Kept, StoreError> {
        let inner = &self.inner;
        let hash = bundle.content_hash();
        let _writing = inner.writing.lock(hash).await;
        inner.note_fresh(Place::Published, hash);
        inner.backend.create_folders(inner.layout.signatures(Place::Published, &hash)).await?;
        let key = inner.layout.archive(Place::Published, &hash);
        let mut kept = Kept::default();
        self.adopt_or_mend(&key, bundle, &mut kept.mended).await?;
        crate::fail_point!("store.archive_renamed");

        // Each waits for the disk, so they wait together.
        let (manifest, component, ()) = tokio::try_join!(
            self.put_manifest(hash, bundle),
            self.put_component(hash, bundle),
            self.put_signatures(hash, bundle.signatures()),
        )?;
        kept.mended.extend(manifest.into_iter().chain(component));
        Ok(kept)
    }

    async fn put_manifest(
        &self,
        hash: ContentHash,
        bundle: &VerifiedBundle,
    ) -> Result<Option<String>, StoreError> {
        let key = self.inner.layout.manifest(&hash);
        let manifest = bundle.manifest_json().to_vec().into();
        let mended = self.create_or_mend(Doing::KeepManifest, &key, manifest).await?;
        crate::fail_point!("store.manifest_put");
        Ok(mended)
    }

    async fn put_component(
        &self,
        hash: ContentHash,
        bundle: &VerifiedBundle,
    ) -> Result<Option<String>, StoreError> {
        let Some(component) = bundle.component() else { return Ok(None) };
        let key = self.inner.layout.component(&hash);
        let component = Bytes::copy_from_slice(component);
        let mended = self.create_or_mend(Doing::KeepObject, &key, component).await?;
        crate::fail_point!("store.entry_put");
        Ok(mended)
    }

    /// The first envelope of a key stays: a later one says the same of the same bundle.
    async fn put_signatures(
        &self,
        hash: ContentHash,
        signatures: &[(KeyId, Vec<u8>)],
    ) -> Result<(), StoreError> {
        for (key_id, envelope) in signatures {
            let key = self.inner.layout.signature(Place::Published, &hash, key_id, None);
            let envelope = Bytes::copy_from_slice(envelope);
            self.inner.backend.create(Doing::KeepObject, &key, envelope).await?;
        }
        crate::fail_point!("store.signatures_put");
        Ok(())
    }

    /// Whether the archive of `hash` is stored. It says nothing about trust.
    pub async fn exists(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        let key = self.inner.layout.archive(Place::Published, hash);
        self.inner.backend.exists(&key).await
    }

    /// The component of `version`, checked against its file table on every call.
    pub async fn component(&self, version: &ExtensionVersion) -> Result<Bytes, StoreError> {
        let key = self.inner.layout.component(&version.content_hash);
        let Some(entry) = version.component() else {
            return Err(StoreError::NotFound { key: key.to_string() });
        };
        self.small_file(version, &key, entry).await
    }

    /// A file of `version` that is also an object of its own, checked.
    pub(super) async fn small_file(
        &self,
        version: &ExtensionVersion,
        key: &Key,
        entry: &FileEntry,
    ) -> Result<Bytes, StoreError> {
        let problem = match self.inner.backend.get(key, entry.size).await {
            Ok(found) => match checked(key, found, entry).await {
                Ok(content) => return Ok(content),
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        if !problem.is_about_the_object() {
            return Err(problem);
        }
        // The object is a convenience; the archive is the truth.
        tracing::warn!(
            bundle.hash = %version.content_hash,
            "A stored object cannot be used, taking it from the archive: {problem}",
        );
        self.file_of_archive(version, entry.clone()).await
    }

    async fn file_of_archive(
        &self,
        version: &ExtensionVersion,
        entry: FileEntry,
    ) -> Result<Bytes, StoreError> {
        let reading = self.inner.filling.lock(version.content_hash).await;
        let extract = move |archive: StoredArchive<'_>| archive.extract(&entry).map(Bytes::from);
        self.with_archive(version, reading, extract).await
    }

    /// Opens the archive of `version` and works on it off the async threads.
    ///
    /// `held` goes with the work: a request that is given up must not let a
    /// second one begin the same.
    pub(super) async fn with_archive<T: Send + 'static>(
        &self,
        version: &ExtensionVersion,
        held: OwnedMutexGuard<()>,
        work: impl FnOnce(StoredArchive<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let fills = Arc::clone(&inner.fills);
        let permit = fills.acquire_owned().await.expect("the semaphore is never closed");
        let key = inner.layout.archive(Place::Published, &version.content_hash);
        let opened = inner.backend.open(&key, version.size, inner.cache.tmp()).await;
        if let Err(StoreError::NotFound { key }) = opened {
            // The registry has the version: that it is not here is damage, and no answer.
            return Err(StoreError::integrity(key, "it is missing"));
        }
        let (file, object) = opened?;
        self.check_not_known_broken(&key, version.content_hash, &object)?;
        let version = version.clone();
        blocking("read a bundle", move || {
            let _held = (held, permit);
            let result = work(StoredArchive { file, version: &version, key: key.to_string() });
            let mut broken = inner.broken.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Err(StoreError::Integrity { .. }) => {
                    broken.insert(version.content_hash, object);
                }
                _ => {
                    broken.remove(&version.content_hash);
                }
            }
            result
        })
        .await
    }

    pub(super) fn check_not_known_broken(
        &self,
        key: &Key,
        hash: ContentHash,
        object: &ObjectVersion,
    ) -> Result<(), StoreError> {
        let broken = self.inner.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.get(&hash) == Some(object) {
            return Err(StoreError::integrity(key.as_ref(), "it was found damaged before"));
        }
        Ok(())
    }
}

async fn checked(key: &Key, content: Bytes, entry: &FileEntry) -> Result<Bytes, StoreError> {
    let (key, expected) = (key.clone(), entry.sha256);
    blocking("check an object", move || {
        let digest: [u8; 32] = Sha256::digest(&content).into();
        if digest == *expected.as_bytes() {
            return Ok(content);
        }
        Err(StoreError::integrity(key, "its SHA-256 is not the one in the file table"))
    })
    .await
}
