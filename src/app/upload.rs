//! Receiving a bundle in one request: admitted, into a staged file, read on the way, capped.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, pin_mut};

use super::App;
use super::uploads::UploadError;
use crate::model::Principal;
use crate::store::{Staged, StoreError};

/// Why a bundle could not be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The sender went away or sent something malformed.
    #[error("the upload broke off: {0}")]
    Broken(String),
    /// The caller has too much under way.
    #[error(transparent)]
    NotAdmitted(#[from] UploadError),
    /// It is too large, the disk is full, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Receives a bundle. What was written is gone again when the result is dropped
    /// without being published, and until then it counts as under way: with the bytes
    /// that are announced, which the connection holds the sender to, and without any
    /// as the largest that is taken.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        principal: &Principal,
        announced: Option<u64>,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Staged, ReceiveError> {
        let most = self.config.store.max_bundle_bytes;
        let bytes = announced.map_or(most, |announced| announced.min(most));
        let sending = self.admit_sending(principal, bytes).await?;
        let mut staging = self.bundles.stage().await?;
        pin_mut!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ReceiveError::Broken(error.to_string()))?;
            staging.write(chunk).await?;
        }
        Ok(staging.finish().await?.held_with(Box::new(sending)))
    }
}
