//! Page files of bundles, unpacked and checked.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::backend::blocking;
use super::{BundleStore, StoreError};
use crate::model::{ContentHash, ExtensionVersion, FileEntry, StreamHasher};

/// How often a file is looked for that was unpacked and is gone again: other
/// bundles can push it out at once when the cache is small.
const FILL_ATTEMPTS: usize = 3;

/// An open file of a bundle whose digest was checked.
#[derive(Debug)]
pub struct AssetFile {
    pub file: File,
    pub size: u64,
}

impl BundleStore {
    /// A file of `version`, open and checked.
    pub async fn asset(
        &self,
        version: &ExtensionVersion,
        file: &FileEntry,
    ) -> Result<AssetFile, StoreError> {
        let hash = version.content_hash;
        if version.file(&file.path) != Some(file) {
            return Err(StoreError::NotFound { key: format!("{}/{}", hash.hex(), file.path) });
        }
        if let Some(opened) = self.inner.cache.open_at_once(&hash, file) {
            return Ok(AssetFile { file: opened, size: file.size });
        }
        if let Some(found) = self.cached(hash, file).await? {
            return Ok(found);
        }
        for _ in 0..FILL_ATTEMPTS {
            let filling = self.inner.filling.lock(hash).await;
            // Whoever had the lock before may have filled it.
            if let Some(found) = self.cached(hash, file).await? {
                return Ok(found);
            }
            let inner = Arc::clone(&self.inner);
            self.with_archive(version, filling, move |archive| inner.cache.fill(archive)).await?;
            if let Some(found) = self.cached(hash, file).await? {
                return Ok(found);
            }
        }
        Err(StoreError::unavailable("keep unpacked files", "the cache is too small for its use"))
    }

    /// The same, read whole: these very bytes were checked.
    pub async fn asset_bytes(
        &self,
        version: &ExtensionVersion,
        file: &FileEntry,
    ) -> Result<Bytes, StoreError> {
        const DOING: &str = "read a file";
        let (opened, expected) = (self.asset(version, file).await?, file.sha256);
        blocking(DOING, move || {
            let mut bytes = Vec::with_capacity(usize::try_from(opened.size).unwrap_or(0));
            let read = opened.file.take(opened.size).read_to_end(&mut bytes);
            read.map_err(StoreError::io(DOING))?;
            if StreamHasher::digest(&bytes) == *expected.as_bytes() {
                return Ok(bytes.into());
            }
            Err(StoreError::unavailable(DOING, "it changed meanwhile"))
        })
        .await
    }

    async fn cached(
        &self,
        hash: ContentHash,
        file: &FileEntry,
    ) -> Result<Option<AssetFile>, StoreError> {
        let (inner, file) = (Arc::clone(&self.inner), file.clone());
        blocking("open a file", move || {
            let opened = inner.cache.open_file(&hash, &file)?;
            Ok(opened.map(|opened| AssetFile { file: opened, size: file.size }))
        })
        .await
    }
}
