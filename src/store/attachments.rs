//! Files beside a published bundle. Each is named by its own digest, so that a
//! newer one never overwrites the one that is in use.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::backend::{Creation, blocking};
use super::layout::Place;
use super::{BundleStore, Doing, StoreError};
use crate::model::{Attachment, ContentHash, KeyId};

impl BundleStore {
    /// Keeps the content of an attachment. When this returns it is durable, and
    /// only then may the registry name it.
    pub async fn put_attachment(
        &self,
        attachment: &Attachment,
        content: Bytes,
    ) -> Result<(), StoreError> {
        let inner = &self.inner;
        let hash = attachment.content_hash;
        let _writing = inner.writing.lock(hash).await;
        inner.backend.create_folders(inner.layout.attachments(&hash)).await?;
        let key = inner.layout.attachment(attachment);
        self.create_or_mend(Doing::KeepObject, &key, content).await.map(drop)
    }

    /// The content of an attachment, checked.
    pub async fn attachment(&self, attachment: &Attachment) -> Result<Bytes, StoreError> {
        let key = self.inner.layout.attachment(attachment);
        let content = self.inner.backend.get(&key, attachment.size).await?;
        let digest: [u8; 32] = Sha256::digest(&content).into();
        if digest == *attachment.sha256.as_bytes() {
            return Ok(content);
        }
        Err(StoreError::integrity(key, "its SHA-256 is not the one in the registry"))
    }

    /// Removes the content of an attachment that the registry does not name any more.
    pub async fn remove_attachment(&self, attachment: &Attachment) -> Result<(), StoreError> {
        let _writing = self.inner.writing.lock(attachment.content_hash).await;
        self.inner.backend.remove(&self.inner.layout.attachment(attachment)).await
    }

    /// Removes a published bundle with all beside it. One that is not there is no
    /// error. Only for what the registry does not name any more.
    pub async fn remove_published(&self, hash: &ContentHash) -> Result<(), StoreError> {
        let _writing = self.inner.writing.lock(*hash).await;
        let folder = self.inner.layout.bundle(Place::Published, hash);
        self.inner.backend.remove_folder(&folder).await?;
        let (inner, hash) = (Arc::clone(&self.inner), *hash);
        blocking("remove unpacked files", move || inner.cache.remove(&hash)).await
    }

    /// Keeps a further envelope of a published bundle; false when its key has one already.
    pub async fn add_signature(
        &self,
        hash: &ContentHash,
        key_id: &KeyId,
        envelope: Bytes,
    ) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let _writing = inner.writing.lock(*hash).await;
        inner.backend.create_folders(inner.layout.signatures(Place::Published, hash)).await?;
        let key = inner.layout.signature(Place::Published, hash, key_id, None);
        let created = inner.backend.create(Doing::KeepObject, &key, envelope).await?;
        Ok(created == Creation::Created)
    }
}
