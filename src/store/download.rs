//! Handing out what was published, as it was published.
//!
//! Every byte of an archive passes the hash before the last of them leaves: a
//! client that has a whole answer has the right one.

use std::ops::Range;
use std::sync::PoisonError;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::backend::ObjectVersion;
use super::layout::{Place, key_of_signature};
use super::{BundleStore, StoreError};
use crate::model::{ContentHash, ExtensionVersion, KeyId, StreamHasher};
use crate::trust::MAX_ENVELOPE_BYTES;

/// An archive up to this size is checked before its first byte leaves.
const CHECKED_FIRST_BYTES: u64 = 1024 * 1024;

/// Bytes of a published archive; after an error the rest is not to be had.
pub type ArchiveBytes = BoxStream<'static, Result<Bytes, StoreError>>;

/// An archive on its way out.
struct Outgoing {
    store: BundleStore,
    object: BoxStream<'static, Result<Bytes, StoreError>>,
    version: ObjectVersion,
    key: String,
    expected: ContentHash,
    /// `None` once the end was reached.
    hasher: Option<StreamHasher>,
    position: u64,
    part: Range<u64>,
    /// The last bytes of the part so far: they leave when the hash is known, or more follow.
    held: Option<Bytes>,
}

impl BundleStore {
    /// The bytes `part` of the archive of `version`.
    ///
    /// The archive is read and hashed whole, whatever the part. One that is not
    /// what it should be is an error here if it is small, else the stream ends
    /// with one before its last bytes.
    pub async fn archive(
        &self,
        version: &ExtensionVersion,
        part: Range<u64>,
    ) -> Result<ArchiveBytes, StoreError> {
        let hash = version.content_hash;
        let key = self.inner.layout.archive(Place::Published, &hash);
        let opened = self.inner.backend.stream(&key, version.size).await;
        if let Err(StoreError::NotFound { key }) = opened {
            // The registry has the version: that it is not here is damage.
            return Err(StoreError::integrity(key, "it is missing"));
        }
        let (object, found) = opened?;
        self.check_not_known_broken(&key, hash, &found)?;
        let outgoing = Outgoing {
            store: self.clone(),
            object,
            version: found,
            key: key.to_string(),
            expected: hash,
            hasher: Some(StreamHasher::new()),
            position: 0,
            part,
            held: None,
        };
        let bytes = stream::try_unfold(outgoing, Outgoing::next).boxed();
        if version.size > CHECKED_FIRST_BYTES {
            return Ok(bytes);
        }
        let chunks: Vec<Bytes> = bytes.try_collect().await?;
        Ok(stream::iter(chunks.into_iter().map(Ok)).boxed())
    }

    /// The manifest of `version` as it is in its bundle.
    pub async fn manifest(&self, version: &ExtensionVersion) -> Result<Bytes, StoreError> {
        let key = self.inner.layout.manifest(&version.content_hash);
        match version.manifest_file() {
            Some(entry) => self.small_file(version, &key, entry).await,
            None => Err(StoreError::integrity(key, "it is not in the file table")),
        }
    }

    /// The keys that signatures of a published bundle are kept under. What they
    /// are worth is for the caller to find out.
    pub async fn signature_keys(&self, hash: &ContentHash) -> Result<Vec<KeyId>, StoreError> {
        let folder = self.inner.layout.signatures(Place::Published, hash);
        let (keys, _) = self.inner.backend.objects_below(&folder).await?;
        let mut ids: Vec<_> = keys.iter().filter_map(key_of_signature).collect();
        ids.sort();
        Ok(ids)
    }

    /// The envelope kept under `key_id`, if there is one. It is not checked here.
    pub async fn signature(
        &self,
        hash: &ContentHash,
        key_id: &KeyId,
    ) -> Result<Option<Bytes>, StoreError> {
        let key = self.inner.layout.signature(Place::Published, hash, key_id, None);
        match self.inner.backend.get_up_to(&key, MAX_ENVELOPE_BYTES as u64).await {
            Ok(envelope) => Ok(Some(envelope)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Outgoing {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        if self.hasher.is_none() {
            return Ok(None);
        }
        while let Some(chunk) = self.object.try_next().await? {
            if let Some(ready) = self.take(&chunk) {
                return Ok(Some((ready, self)));
            }
        }
        let digest: Option<[u8; 32]> = self.hasher.take().map(StreamHasher::finalize);
        if digest != Some(*self.expected.as_bytes()) {
            let inner = &self.store.inner;
            let mut broken = inner.broken.lock().unwrap_or_else(PoisonError::into_inner);
            broken.insert(self.expected, self.version);
            return Err(StoreError::integrity(self.key, "its SHA-256 is not the one of its name"));
        }
        Ok(self.held.take().map(|last| (last, self)))
    }

    /// Hashes a chunk and keeps what of it is wanted; gives what was kept before.
    fn take(&mut self, chunk: &Bytes) -> Option<Bytes> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        let begin = self.position;
        self.position += chunk.len() as u64;
        let from = self.part.start.max(begin);
        let to = self.part.end.min(self.position);
        if from >= to {
            return None;
        }
        let within = |at: u64| usize::try_from(at - begin).unwrap_or(usize::MAX);
        self.held.replace(chunk.slice(within(from)..within(to)))
    }
}
