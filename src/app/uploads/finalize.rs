//! Publishing an upload as existing clients know it: every repeat is a conflict.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{FinishError, UploadError};
use crate::app::App;
use crate::app::publish::{Published, Terms};
use crate::model::{
    ContentHash, ExtensionVersion, Principal, Quarantined, Stars, Upload, UploadId,
};
use crate::registry::{RegistryError, WriteTxn, awaited, uploads};
use crate::trust::Report;

/// How long a bundle that has arrived whole waits to be finalized.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// What a sender says about an upload when all of it is here.
#[derive(Debug)]
pub struct FinalizeRequest {
    pub upload: UploadId,
    pub declared_hash: Option<ContentHash>,
    /// The text of the manifest, which must be the bundle's own as JSON.
    pub manifest: Option<Vec<u8>>,
    pub signatures: Vec<Vec<u8>>,
}

/// Why an upload did not become a version.
#[derive(Debug, thiserror::Error)]
pub enum FinalizeError {
    /// Also when the bytes are the same.
    #[error("{} {} is already published", .0.name, .0.version)]
    Exists(Arc<ExtensionVersion>),
    /// Kept until a person decides.
    #[error("nobody trusted vouches for the bundle {}", .0.content_hash)]
    Quarantined(Box<Quarantined>, Box<Report>),
    #[error(transparent)]
    Finish(#[from] FinishError),
}

impl From<RegistryError> for FinalizeError {
    fn from(error: RegistryError) -> Self {
        Self::Finish(FinishError::Upload(UploadError::Registry(error)))
    }
}

impl App {
    /// Publishes an upload whose manifest may say `X.Y.*`, as a version that is new.
    ///
    /// A tenant whose bundle was quarantined is owed an answer: once the bundle
    /// is published, its next try succeeds, and only the one after is a repeat.
    pub async fn finalize_upload(
        self: &Arc<Self>,
        principal: &Principal,
        request: FinalizeRequest,
    ) -> Result<Arc<ExtensionVersion>, FinalizeError> {
        let FinalizeRequest { upload, declared_hash, manifest, signatures } = request;
        let terms =
            Terms { signatures, expected_hash: declared_hash, manifest, stars: Stars::Allowed };
        match self.finish_upload_on(principal, upload, terms).await? {
            Published::Registered { version, created, .. } => {
                let awaited = self.stop_waiting(principal, version.content_hash).await?;
                if created || awaited { Ok(version) } else { Err(FinalizeError::Exists(version)) }
            }
            Published::Quarantined { entry, report } => {
                let (hash, until) = (entry.content_hash, entry.expires_at);
                let tenant = principal.tenant();
                let wait = move |txn: &WriteTxn| awaited::put(txn, &hash, &tenant, until);
                self.registry.write(wait).await?;
                Err(FinalizeError::Quarantined(Box::new(entry), Box::new(report)))
            }
        }
    }

    /// Lets a whole upload wait a little while only. These clients finalize at once
    /// or send anew: what they leave behind must not stand in their way for a day.
    pub async fn await_finalize(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(), UploadError> {
        let (upload, _hold) = self.hold_own_upload(principal, id).await?;
        let expires_at = upload.expires_at.min(self.clock.now() + PATIENCE);
        let row = Upload { expires_at, ..upload };
        self.registry.write(move |txn| uploads::put(txn, &row)).await?;
        Ok(())
    }

    /// Whether the caller's tenant was told to wait for a bundle; it is told only once.
    async fn stop_waiting(
        &self,
        principal: &Principal,
        hash: ContentHash,
    ) -> Result<bool, RegistryError> {
        let tenant = principal.tenant();
        let waits = {
            let tenant = tenant.clone();
            self.registry.read(move |txn| awaited::contains(txn, &hash, &tenant)).await?
        };
        // Most are not awaited, and a commit costs some milliseconds.
        if !waits {
            return Ok(false);
        }
        self.registry.write(move |txn| awaited::take(txn, &hash, &tenant)).await
    }
}
