//! Uploads that arrive in parts: begun, continued, looked at and given up.
//!
//! What is acknowledged survives a power cut: bytes are synced before the offset
//! that covers them is committed. An upload belongs to its tenant and owner; for
//! everybody else it does not exist. `begin` takes room and `admission` counts, `part`
//! receives, `finish` publishes, and `finalize` as existing clients know it; `address`
//! lets somebody else send, `presigned` to the store and not here.

mod address;
mod admission;
mod begin;
mod finalize;
mod finish;
mod part;
mod presigned;

pub use address::{ADDRESS_LIFE, AddressError, UploadAddress, UploadAddresses};
pub use admission::InFlight;
pub use finalize::{FinalizeError, FinalizeRequest};
pub use finish::FinishError;
pub use presigned::{PartAddress, PartAddresses, SendTo};

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinError;

use super::App;
use crate::model::{ContentHash, Principal, Upload, UploadId};
use crate::registry::{RegistryError, uploads};
use crate::store::{StoreError, UploadHold};
use part::Part;

/// What a bundle may be called by its sender; nothing at all is fine, too.
pub const CONTENT_TYPES: [&str; 5] = [
    "application/zstd",
    "application/octet-stream",
    "application/x-tar",
    "application/x-zstd",
    "application/x-zstd-compressed-tar",
];

/// What is said about a bundle before it is sent.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    /// Its bytes, all of them.
    pub length: u64,
    /// Its hash. One that is published already needs no bytes.
    pub declared_hash: Option<ContentHash>,
    /// The name of its file, for people.
    pub filename: String,
    /// Its media type; one of [`CONTENT_TYPES`] or nothing.
    pub content_type: Option<String>,
}

/// Why an upload did not begin, go on or end.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is none, it has expired, or it is somebody else's.
    #[error("there is no upload {0}")]
    Unknown(UploadId),
    /// Two at once would mix their bytes.
    #[error("another request is changing the upload {0}")]
    Busy(UploadId),
    /// Somebody removed its file.
    #[error("the bytes of the upload {0} are lost")]
    Lost(UploadId),
    #[error("the upload is at byte {found}, and the part begins at byte {sent}")]
    OffsetMismatch { sent: u64, found: u64 },
    /// The part was damaged on its way; nothing of it was kept.
    #[error("the part does not have the SHA-256 that was sent with it")]
    ChecksumMismatch,
    #[error("the bundle was said to have {length} bytes, and at least {received} were sent")]
    Overrun { length: u64, received: u64 },
    #[error("a bundle of no bytes cannot be sent")]
    Empty,
    #[error("a bundle is not {0}")]
    ContentType(String),
    #[error("{unfinished} uploads of yours are under way; {limit} are allowed")]
    TooMany { limit: u32, unfinished: u32 },
    #[error(
        "your uploads under way hold {held} bytes; {limit} are allowed with this one's {length}"
    )]
    TooManyBytes { limit: u64, held: u64, length: u64 },
    /// The sender went away or sent something malformed. What arrived is kept.
    #[error("the part broke off at byte {offset}: {reason}")]
    Broken { offset: u64, reason: String },
    /// It is sent by addresses of the store: bytes that came here, too, would mix with those.
    #[error("the bytes of the upload {0} are sent to the store")]
    SentToStore(UploadId),
    /// There is no public endpoint, or it did not do what it should.
    #[error("this appliance gives out no addresses of its store")]
    NoAddresses,
    #[error("the upload {0} is not one that is sent to the store in parts")]
    NotInParts(UploadId),
    #[error("part {number} was asked for; the upload has the parts 1 to {count}")]
    NoSuchPart { number: u32, count: u32 },
    #[error("the bundle was said to have {length} bytes, and {found} were sent to the store")]
    OtherLength { length: u64, found: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the upload was cancelled")]
    Cancelled(#[from] JoinError),
}

impl App {
    /// Adds a part that begins at `offset`. With a checksum all of it is taken, or nothing.
    ///
    /// What arrived of a part that broke off is kept, also when the caller stops
    /// waiting: the next part begins where this one ended.
    pub async fn append_upload<E: std::fmt::Display + Send + 'static>(
        self: &Arc<Self>,
        principal: &Principal,
        id: UploadId,
        offset: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        checksum: Option<[u8; 32]>,
    ) -> Result<Upload, UploadError> {
        let (upload, hold) = self.hold_own_upload(principal, id).await?;
        if upload.presigned.is_some() {
            return Err(UploadError::SentToStore(id));
        }
        if offset != upload.offset {
            return Err(UploadError::OffsetMismatch { sent: offset, found: upload.offset });
        }
        let app = Arc::clone(self);
        // A task of its own: a handler is dropped when its client goes away, and
        // what arrived until then is worth keeping.
        tokio::spawn(async move {
            let part = Part { app: &app, hold: &hold, upload: upload.clone(), checksum };
            match part.receive(Box::pin(body)).await {
                Err(UploadError::Store(error)) => Err(app.or_lost(&upload, &hold, error).await?),
                other => other,
            }
        })
        .await?
    }

    /// An upload of the caller; `None` when it has none with this id.
    pub async fn get_upload(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<Option<Upload>, UploadError> {
        let (tenant, owner) = (principal.tenant(), principal.actor().to_string());
        let row = self.registry.read(move |txn| uploads::get(txn, &tenant, &id)).await?;
        let now = self.clock.now();
        Ok(row.filter(|upload| upload.owner == owner && !upload.is_expired(now)))
    }

    /// The uploads of the caller, the oldest first.
    pub async fn list_uploads(&self, principal: &Principal) -> Result<Vec<Upload>, UploadError> {
        let (tenant, owner) = (principal.tenant(), principal.actor().to_string());
        let mut list = self.registry.read(move |txn| uploads::list(txn, &tenant)).await?;
        let now = self.clock.now();
        list.retain(|upload| upload.owner == owner && !upload.is_expired(now));
        Ok(list)
    }

    /// Gives an upload up; false when the caller has none with this id.
    pub async fn abort_upload(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<bool, UploadError> {
        let (upload, hold) = match self.hold_own_upload(principal, id).await {
            Err(UploadError::Unknown(_)) => return Ok(false),
            other => other?,
        };
        if let Some(sent) = &upload.presigned {
            self.bundles.remove_sent(id, sent).await?;
        }
        self.forget_upload(&upload, &hold).await?;
        Ok(true)
    }

    /// Removes an upload with everything it has. What the store keeps of it all the same
    /// is found by the sweep: nothing that was decided waits for that.
    async fn remove_upload(
        &self,
        upload: &Upload,
        hold: &Arc<UploadHold>,
    ) -> Result<(), UploadError> {
        if let Some(sent) = &upload.presigned
            && let Err(error) = self.bundles.remove_sent(upload.id, sent).await
        {
            tracing::warn!(upload.id = %upload.id, "Could not remove a sent bundle: {error}");
        }
        self.forget_upload(upload, hold).await
    }

    /// Removes the row, then the bytes: a crash between the two leaves what a start removes.
    async fn forget_upload(
        &self,
        upload: &Upload,
        hold: &Arc<UploadHold>,
    ) -> Result<(), UploadError> {
        let (tenant, id) = (upload.tenant.clone(), upload.id);
        self.registry.write(move |txn| uploads::remove(txn, &tenant, &id)).await?;
        Ok(self.bundles.remove_upload(hold).await?)
    }

    /// What a failure of the store means. An upload without its bytes is removed:
    /// its sender can only begin again.
    async fn or_lost(
        &self,
        upload: &Upload,
        hold: &Arc<UploadHold>,
        error: StoreError,
    ) -> Result<UploadError, UploadError> {
        if !matches!(error, StoreError::Integrity { .. }) {
            return Ok(error.into());
        }
        self.remove_upload(upload, hold).await?;
        Ok(UploadError::Lost(upload.id))
    }

    /// An upload of the caller as it is while nobody else can change it.
    async fn hold_own_upload(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(Upload, Arc<UploadHold>), UploadError> {
        // Asked before, so that a stranger cannot keep the owner out.
        self.get_upload(principal, id).await?.ok_or(UploadError::Unknown(id))?;
        let hold = self.bundles.hold_upload(id).ok_or(UploadError::Busy(id))?;
        let upload = self.get_upload(principal, id).await?.ok_or(UploadError::Unknown(id))?;
        Ok((upload, hold))
    }

    /// Removes the uploads whose time is over; says how many.
    pub(crate) async fn sweep_uploads(&self) -> Result<usize, UploadError> {
        let now = self.clock.now();
        let mut removed = 0;
        for upload in self.registry.read(uploads::list_all).await? {
            // One that is being changed is left to the next time.
            if upload.is_expired(now)
                && let Some(hold) = self.bundles.hold_upload(upload.id)
            {
                self.remove_upload(&upload, &hold).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
