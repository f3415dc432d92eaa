//! Receiving a bundle: into a staged file, hashed on the way, capped.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, pin_mut};

use super::App;
use crate::store::{Staged, StoreError};

/// Why a bundle could not be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The sender went away or sent something malformed.
    #[error("the upload broke off: {0}")]
    Broken(String),
    /// It is too large, the disk is full, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Receives a bundle. What was written is gone again when the result is
    /// dropped without being published.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Staged, ReceiveError> {
        let mut staging = self.bundles.stage().await?;
        pin_mut!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ReceiveError::Broken(error.to_string()))?;
            staging.write(chunk).await?;
        }
        Ok(staging.finish().await?)
    }
}
