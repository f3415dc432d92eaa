//! Receiving one part: written, synced, and only then acknowledged.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};

use super::UploadError;
use crate::app::App;
use crate::model::Upload;
use crate::registry::{WriteTxn, uploads};
use crate::store::{UploadHold, UploadWriter};

/// How many bytes may be lost to a power cut in the middle of a long part.
const CHECKPOINT_BYTES: u64 = 16 * 1024 * 1024;

/// One part on its way in.
pub(super) struct Part<'a> {
    pub(super) app: &'a App,
    pub(super) hold: &'a Arc<UploadHold>,
    /// As it is before the part.
    pub(super) upload: Upload,
    pub(super) checksum: Option<[u8; 32]>,
}

impl Part<'_> {
    /// Receives the part to its end, or to where it breaks off.
    pub(super) async fn receive<E: std::fmt::Display>(
        mut self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Upload, UploadError> {
        let begin = self.upload.offset;
        let mut writer = self.app.bundles.append_upload(self.hold, begin).await?;
        let mut received = begin;
        let mut hasher = self.checksum.map(|expected| (Sha256::new(), expected));
        while let Some(chunk) = body.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return self.broken(writer, received, error.to_string()).await,
            };
            let end = received + chunk.len() as u64;
            if end > self.upload.length {
                let length = self.upload.length;
                return Err(UploadError::Overrun { length, received: end });
            }
            writer.write(&chunk).await?;
            if let Some((hasher, _)) = &mut hasher {
                hasher.update(&chunk);
            }
            received = end;
            if hasher.is_none() && received - self.upload.offset >= CHECKPOINT_BYTES {
                self.acknowledge(&mut writer, received).await?;
            }
        }
        if let Some((hasher, expected)) = hasher
            && <[u8; 32]>::from(hasher.finalize()) != expected
        {
            return Err(UploadError::ChecksumMismatch);
        }
        self.acknowledge(&mut writer, received).await?;
        Ok(self.upload)
    }

    /// Without a checksum every byte that arrived counts; with one none does.
    async fn broken(
        mut self,
        mut writer: UploadWriter,
        received: u64,
        reason: String,
    ) -> Result<Upload, UploadError> {
        if self.checksum.is_none() {
            self.acknowledge(&mut writer, received).await?;
        }
        Err(UploadError::Broken { offset: self.upload.offset, reason })
    }

    async fn acknowledge(
        &mut self,
        writer: &mut UploadWriter,
        offset: u64,
    ) -> Result<(), UploadError> {
        writer.sync().await?;
        let (tenant, id) = (self.upload.tenant.clone(), self.upload.id);
        let write = move |txn: &WriteTxn| uploads::set_offset(txn, &tenant, &id, offset);
        let moved = self.app.registry.write(write).await?;
        self.upload = moved.ok_or(UploadError::Unknown(id))?;
        Ok(())
    }
}
