//! Receiving one part: written, synced, and only then acknowledged.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::UploadError;
use crate::app::App;
use crate::model::{StreamHasher, Upload};
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
    pub(super) async fn receive<E: Display>(
        mut self,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Upload, UploadError> {
        if self.upload.is_complete() {
            return self.nothing_more(body).await;
        }
        let mut writer = self.app.bundles.append_upload(self.hold, self.upload.offset).await?;
        let outcome = self.write(&mut writer, body).await;
        writer.close().await;
        outcome.map(|()| self.upload)
    }

    async fn write<E: Display>(
        &mut self,
        writer: &mut UploadWriter,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), UploadError> {
        let mut received = self.upload.offset;
        let mut hasher = self.checksum.map(|expected| (StreamHasher::new(), expected));
        while let Some(chunk) = next(&mut body, self.patience()).await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(reason) => return self.broken(writer, received, reason).await,
            };
            let end = received + chunk.len() as u64;
            if end > self.upload.length {
                let length = self.upload.length;
                return Err(UploadError::Overrun { length, received: end });
            }
            if let Some((hasher, _)) = &mut hasher {
                hasher.update(&chunk);
            }
            writer.write(chunk).await?;
            received = end;
            if hasher.is_none() && received - self.upload.offset >= CHECKPOINT_BYTES {
                self.acknowledge(writer, received).await?;
            }
        }
        if let Some((hasher, expected)) = hasher
            && hasher.finalize() != expected
        {
            return Err(UploadError::ChecksumMismatch);
        }
        self.acknowledge(writer, received).await
    }

    /// A whole upload is not opened again: its file may have become the bundle of a
    /// publish that was cut off.
    async fn nothing_more<E: Display>(
        self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Upload, UploadError> {
        while let Some(Ok(chunk)) = next(&mut body, self.patience()).await {
            if !chunk.is_empty() {
                let length = self.upload.length;
                return Err(UploadError::Overrun { length, received: length + chunk.len() as u64 });
            }
        }
        Ok(self.upload)
    }

    /// A connection can be dead without anybody saying so, and its sender back on another.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.app.config.uploads.part_idle_timeout_ms)
    }

    /// Without a checksum every byte that arrived counts; with one none does.
    async fn broken(
        &mut self,
        writer: &mut UploadWriter,
        received: u64,
        reason: String,
    ) -> Result<(), UploadError> {
        if self.checksum.is_none() {
            self.acknowledge(writer, received).await?;
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

/// The next bytes, or why there will be none; `None` at the end.
async fn next<E: Display>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    patience: Duration,
) -> Option<Result<Bytes, String>> {
    match timeout(patience, body.next()).await {
        Ok(chunk) => chunk.map(|chunk| chunk.map_err(|error| error.to_string())),
        Err(_) => Some(Err(format!("nothing came for {} ms", patience.as_millis()))),
    }
}
