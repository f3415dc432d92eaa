//! Bundles that wait for a person: kept whole, never served, never run.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use object_store::path::Path as Key;

use super::backend::{Backend, Creation, blocking};
use super::durable::{create_private_dir, remove_tree};
use super::layout::{ARCHIVE, Layout, Place};
use super::{BundleStore, Doing, StoreError};
use crate::model::{ContentHash, KeyId};
use crate::trust::{MAX_ENVELOPE_BYTES, QuarantinedBundle, StagedUpload};

/// The most envelopes kept with a bundle: so many are verified together with those that are sent.
pub const MAX_KEPT_SIGNATURES: usize = 8;

impl BundleStore {
    /// Keeps a bundle that nobody trusted vouches for. Keeping it twice changes nothing.
    pub async fn put_quarantined(&self, bundle: &QuarantinedBundle) -> Result<(), StoreError> {
        let inner = &self.inner;
        let hash = bundle.content_hash();
        let _writing = inner.writing.lock(hash).await;
        inner.note_fresh(Place::Quarantine, hash);
        inner.backend.create_folders(inner.layout.signatures(Place::Quarantine, &hash)).await?;

        let key = inner.layout.archive(Place::Quarantine, &hash);
        // A second verification of a kept bundle comes with its own file.
        match inner.backend.adopt(bundle.file(), &key, bundle.size(), hash).await? {
            Creation::Created => inner.room.add(bundle.size()),
            Creation::Same => {}
            Creation::Different => {
                return Err(StoreError::integrity(key, "it has another content"));
            }
        }
        let mut kept = self.kept_signatures(&hash).await?;
        for (key_id, envelope) in bundle.signatures() {
            // An envelope by several keys takes one place.
            if !kept.contains(envelope) {
                self.keep_envelope(&hash, key_id, envelope).await?;
                kept.push(envelope.clone());
            }
        }
        crate::fail_point!("store.quarantined");
        Ok(())
    }

    /// Keeps an envelope beside others of the same key: which of them is good
    /// shows only when the key is trusted, so none may displace another.
    async fn keep_envelope(
        &self,
        hash: &ContentHash,
        key_id: &KeyId,
        envelope: &[u8],
    ) -> Result<(), StoreError> {
        let inner = &self.inner;
        let folder = inner.layout.signatures(Place::Quarantine, hash);
        let (kept, _) = inner.backend.objects_below(&folder).await?;
        let key = inner.layout.signature(Place::Quarantine, hash, key_id, None);
        if kept.len() >= MAX_KEPT_SIGNATURES && !kept.contains(&key) {
            tracing::warn!(bundle.hash = %hash, "A quarantined bundle has {MAX_KEPT_SIGNATURES} signatures; one more is not kept");
            return Ok(());
        }
        let content = Bytes::copy_from_slice(envelope);
        if inner.backend.create(Doing::KeepObject, &key, content.clone()).await?
            != Creation::Different
        {
            return Ok(());
        }
        if kept.len() < MAX_KEPT_SIGNATURES {
            let digest = ContentHash::of(envelope).hex();
            let variant = Some(&digest[..16]);
            let key = inner.layout.signature(Place::Quarantine, hash, key_id, variant);
            inner.backend.create(Doing::KeepObject, &key, content).await?;
        }
        Ok(())
    }

    /// A kept bundle to verify again, with `signatures` beside those kept with it.
    pub async fn quarantined_upload(
        &self,
        hash: &ContentHash,
        signatures: Vec<Vec<u8>>,
    ) -> Result<StagedUpload, StoreError> {
        let inner = &self.inner;
        let key = inner.layout.archive(Place::Quarantine, hash);
        let Some(size) = inner.backend.size(&key).await? else {
            return Err(StoreError::NotFound { key: key.to_string() });
        };
        let kept = self.kept_signatures(hash).await?;
        let file = match inner.backend.file(&key)? {
            Some(file) => file,
            None => self.copy_of_kept(&key, size, hash).await?,
        };
        let (content_hash, readers) = (*hash, Arc::clone(&inner.readers));
        blocking("read a bundle", move || {
            let reading = readers.read(&file).map_err(StoreError::io("read a bundle"))?;
            if reading.content_hash() != content_hash {
                return Err(StoreError::integrity(key, "it is not the bundle that was kept"));
            }
            let (size, expected_hash) = (reading.size(), Some(content_hash));
            let reading = Some(reading);
            Ok(StagedUpload { file, size, content_hash, expected_hash, signatures, kept, reading })
        })
        .await
    }

    /// A file of a bundle whose object is none. Verifying again makes the same file again.
    async fn copy_of_kept(
        &self,
        key: &Key,
        size: u64,
        hash: &ContentHash,
    ) -> Result<PathBuf, StoreError> {
        let (mut archive, _) = self.inner.backend.open(key, size, self.inner.cache.tmp()).await?;
        let folder = self.inner.staging.folder().join(hash.hex());
        let mut copy = move || -> io::Result<PathBuf> {
            create_private_dir(&folder)?;
            let mut copy = tempfile::NamedTempFile::new_in(&folder)?;
            io::copy(&mut archive, &mut copy)?;
            let path = folder.join(ARCHIVE);
            copy.persist(&path).map_err(|error| error.error)?;
            Ok(path)
        };
        blocking("read a bundle", move || copy().map_err(StoreError::io("read a bundle"))).await
    }

    /// The envelopes kept with a bundle; none of one that is not there.
    pub async fn kept_signatures(&self, hash: &ContentHash) -> Result<Vec<Vec<u8>>, StoreError> {
        let folder = self.inner.layout.signatures(Place::Quarantine, hash);
        let (keys, _) = self.inner.backend.objects_below(&folder).await?;
        let mut kept = Vec::new();
        for key in keys.into_iter().take(MAX_KEPT_SIGNATURES) {
            let envelope = self.inner.backend.get_up_to(&key, MAX_ENVELOPE_BYTES as u64).await?;
            kept.push(envelope.to_vec());
        }
        Ok(kept)
    }

    /// Removes a bundle from quarantine. One that is not there is no error.
    pub async fn remove_quarantined(&self, hash: &ContentHash) -> Result<(), StoreError> {
        let _writing = self.inner.writing.lock(*hash).await;
        self.remove_kept(hash).await
    }

    /// The same for a caller that holds the lock of the bundle.
    pub(super) async fn remove_kept(&self, hash: &ContentHash) -> Result<(), StoreError> {
        let inner = &self.inner;
        let archive = inner.layout.archive(Place::Quarantine, hash);
        let size = inner.backend.size(&archive).await?.unwrap_or(0);
        inner.backend.remove_folder(&inner.layout.bundle(Place::Quarantine, hash)).await?;
        inner.room.give_back(size);
        let copy = inner.staging.folder().join(hash.hex());
        blocking("remove a bundle", move || {
            remove_tree(&copy).map_err(StoreError::io("remove a bundle"))
        })
        .await
    }
}

impl Backend {
    /// What the bundles in quarantine hold when the store is opened.
    pub(super) fn quarantined_bytes(&self, layout: &Layout) -> Result<u64, StoreError> {
        let Some(folder) = self.file(&layout.place(Place::Quarantine))? else { return Ok(0) };
        let mut bytes = 0;
        for entry in fs::read_dir(folder).map_err(StoreError::io("look into the quarantine"))? {
            let entry = entry.map_err(StoreError::io("look into the quarantine"))?;
            bytes += fs::metadata(entry.path().join(ARCHIVE)).map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }
}
