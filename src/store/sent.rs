//! Bundles that others sent to the store: brought here once, and removed there.
//!
//! Whoever has the address could send again while a bundle is looked at. So the
//! object is read once, into a file of ours, and whatever is decided about the
//! bundle is decided about that file.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

use super::s3::{S3, SentPart};
use super::uploads::{UploadHold, UploadWriter};
use super::{BundleStore, StoreError};
use crate::model::{Presigned, UploadId};

const FETCHING: &str = "fetch an upload";

/// What came of bringing an upload here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// All of it is in the file of the upload, and durable.
    Whole,
    /// Nothing was sent, or it was removed.
    Missing,
    /// What was sent does not have the length that was agreed.
    OtherLength(u64),
}

impl BundleStore {
    fn s3(&self) -> Result<&S3, StoreError> {
        let s3 = self.inner.backend.as_s3();
        s3.ok_or_else(|| StoreError::unavailable(FETCHING, "the store is no server"))
    }

    /// Brings the object that was sent for an upload into the upload's own file.
    ///
    /// Dropped half-way, it leaves bytes that are promised to nobody, and the hold with
    /// whoever is still writing them.
    pub async fn fetch_sent(
        &self,
        hold: &Arc<UploadHold>,
        length: u64,
    ) -> Result<Fetched, StoreError> {
        let key = self.inner.layout.staged(hold.id);
        let backend = &self.inner.backend;
        let object = match backend.stream(&key, length).await {
            Ok((object, _)) => object,
            Err(StoreError::NotFound { .. }) => return Ok(Fetched::Missing),
            Err(StoreError::Integrity { .. }) => {
                let found = backend.size(&key).await?;
                return Ok(found.map_or(Fetched::Missing, Fetched::OtherLength));
            }
            Err(error) => return Err(error),
        };
        self.take(hold, object, length).await?;
        Ok(Fetched::Whole)
    }

    async fn take(
        &self,
        hold: &Arc<UploadHold>,
        object: BoxStream<'static, Result<Bytes, StoreError>>,
        length: u64,
    ) -> Result<(), StoreError> {
        let mut writer = self.append_upload(hold, 0).await?;
        let taken = write_all(&mut writer, object, length).await;
        writer.close().await;
        taken
    }

    /// Begins an upload in parts; gives the id that the store knows it by.
    pub async fn begin_parts(&self, id: UploadId) -> Result<String, StoreError> {
        self.s3()?.begin_parts(&self.inner.layout.staged(id)).await
    }

    /// The parts that have arrived, in order; `None` when the upload in parts is over.
    pub async fn list_parts(
        &self,
        id: UploadId,
        upload_id: &str,
    ) -> Result<Option<Vec<SentPart>>, StoreError> {
        self.s3()?.list_parts(&self.inner.layout.staged(id), upload_id).await
    }

    /// Makes one object of the parts.
    pub async fn complete_parts(
        &self,
        id: UploadId,
        upload_id: &str,
        parts: &[SentPart],
    ) -> Result<(), StoreError> {
        self.s3()?.complete_parts(&self.inner.layout.staged(id), upload_id, parts).await
    }

    /// Removes what was sent for an upload: its object, and its parts if it has any.
    pub async fn remove_sent(&self, id: UploadId, sent: &Presigned) -> Result<(), StoreError> {
        let key = self.inner.layout.staged(id);
        if let Presigned::Parts(parts) = sent {
            self.s3()?.abort_parts(&key, &parts.upload_id).await?;
        }
        self.inner.backend.remove(&key).await
    }
}

/// Writes an object of `length` bytes, durably.
async fn write_all(
    writer: &mut UploadWriter,
    mut object: BoxStream<'static, Result<Bytes, StoreError>>,
    length: u64,
) -> Result<(), StoreError> {
    let mut received = 0;
    while let Some(chunk) = object.try_next().await? {
        received += chunk.len() as u64;
        // The room that was promised is all there is, whatever the store says.
        if received > length {
            break;
        }
        writer.write(chunk).await?;
    }
    if received != length {
        let problem = format!("{received} of {length} bytes came");
        return Err(StoreError::unavailable(FETCHING, problem));
    }
    writer.sync().await
}
