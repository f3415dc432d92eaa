//! Uploads whose bytes go to the store, by addresses that are given out for them.
//!
//! They are promised, counted, listed, published and given up as every other
//! upload. Only the way of the bytes is another: they are fetched from the store
//! once, when the upload is published, and are then bytes that arrived here.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{ADDRESS_LIFE, FinishError, NewUpload, UploadError};
use crate::app::App;
use crate::app::sweep::LEFTOVER_AGE;
use crate::model::{Presigned, PresignedParts, Principal, Upload, UploadId};
use crate::registry::{WriteTxn, uploads};
use crate::store::{Fetched, SentAs, SentPart, SignedRequest, UploadHold};

/// The bytes of each part but the last. The largest bundle has 64 of them; a store
/// takes up to 10,000, each of 5 MiB or more.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// How long a bundle that may have been sent waits for its end. Nobody here sees it arrive.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);
/// What is older is swept from the store, whether its upload has ended or not.
const PARTS_LIFE: SignedDuration = LEFTOVER_AGE;

/// Where a sender was told to send a bundle.
#[derive(Debug)]
pub enum SendTo {
    /// To a signed address of this appliance.
    Here,
    Store(SignedRequest),
}

/// Where one part is to be sent.
#[derive(Debug)]
pub struct PartAddress {
    pub number: u32,
    pub length: u64,
    pub request: SignedRequest,
}

/// Some of them, and how long they are good for.
#[derive(Debug)]
pub struct PartAddresses {
    pub parts: Vec<PartAddress>,
    pub expires_at: Timestamp,
}

impl App {
    /// Begins an upload that somebody else may send; `None` when its bytes are published.
    pub async fn initiate_upload(
        &self,
        principal: &Principal,
        new: NewUpload,
        sent_as: &SentAs,
    ) -> Result<Option<(Upload, SendTo)>, UploadError> {
        if let Some(hash) = new.declared_hash
            && self.is_published_for(principal, hash).await?
        {
            return Ok(None);
        }
        self.check_new(&new)?;
        let mut upload = self.new_upload(principal, &new);
        if !self.bundles.presigns() {
            return Ok(Some((self.take_room(upload).await?, SendTo::Here)));
        }
        upload.presigned = Some(Presigned::Whole);
        upload.expires_at = upload.expires_at.min(upload.created_at + PATIENCE);
        let signed = self.bundles.presign_upload(&upload, sent_as, address_life())?;
        let upload = self.take_room(upload).await?;
        Ok(Some((upload, SendTo::Store(signed))))
    }

    /// Begins an upload that is sent to the store in parts. Of a bundle that is published
    /// already it is finished at once.
    pub async fn begin_presigned_parts(
        &self,
        principal: &Principal,
        new: NewUpload,
    ) -> Result<Upload, UploadError> {
        self.check_new(&new)?;
        if let Some(upload) = self.finished_at_once(principal, &new).await? {
            return Ok(upload);
        }
        self.check_addresses()?;
        let mut upload = self.new_upload(principal, &new);
        upload.expires_at = upload.expires_at.min(upload.created_at + PARTS_LIFE);
        let upload_id = self.bundles.begin_parts(upload.id).await?;
        let sent = Presigned::Parts(PresignedParts { upload_id, part_bytes: PART_BYTES });
        upload.presigned = Some(sent.clone());
        let id = upload.id;
        let begun = self.take_room(upload).await;
        if begun.is_err()
            && let Err(error) = self.bundles.remove_sent(id, &sent).await
        {
            // The sweep finds it.
            tracing::warn!(upload.id = %id, "Could not give an upload up: {error}");
        }
        begun
    }

    /// Addresses for some parts of an upload of the caller.
    pub async fn sign_parts(
        &self,
        principal: &Principal,
        id: UploadId,
        numbers: &[u32],
    ) -> Result<PartAddresses, UploadError> {
        let (upload, parts) = self.own_parts(principal, id).await?;
        self.check_addresses()?;
        let now = self.clock.now();
        let expires_at = upload.expires_at.min(now + ADDRESS_LIFE);
        let life = Duration::try_from(expires_at.duration_since(now)).unwrap_or_default();
        let mut signed = Vec::with_capacity(numbers.len());
        for number in numbers {
            let length = parts.part_length(*number, upload.length);
            let length = length.ok_or_else(|| UploadError::NoSuchPart {
                number: *number,
                count: parts.count(upload.length),
            })?;
            let upload_id = &parts.upload_id;
            let request = self.bundles.presign_part(id, upload_id, *number, length, life)?;
            signed.push(PartAddress { number: *number, length, request });
        }
        Ok(PartAddresses { parts: signed, expires_at })
    }

    /// The parts of an upload of the caller that have arrived, in order.
    pub async fn list_parts(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(Upload, PresignedParts, Vec<SentPart>), UploadError> {
        let (upload, parts) = self.own_parts(principal, id).await?;
        let arrived = self.bundles.list_parts(id, &parts.upload_id).await?;
        Ok((upload, parts, arrived.unwrap_or_default()))
    }

    fn check_addresses(&self) -> Result<(), UploadError> {
        if self.bundles.presigns() { Ok(()) } else { Err(UploadError::NoAddresses) }
    }

    async fn own_parts(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(Upload, PresignedParts), UploadError> {
        let upload = self.get_upload(principal, id).await?.ok_or(UploadError::Unknown(id))?;
        match &upload.presigned {
            Some(Presigned::Parts(parts)) => {
                let parts = parts.clone();
                Ok((upload, parts))
            }
            Some(Presigned::Whole) | None => Err(UploadError::NotInParts(id)),
        }
    }

    /// Brings what was sent to the store here, unless it is here already.
    pub(super) async fn fetch_sent(
        self: &Arc<Self>,
        upload: Upload,
        hold: &Arc<UploadHold>,
    ) -> Result<Upload, FinishError> {
        let Some(sent) = upload.presigned.clone() else { return Ok(upload) };
        let (app, hold) = (Arc::clone(self), Arc::clone(hold));
        // A task of its own: a handler is dropped when its client goes away, and a
        // bundle that was fetched for nobody is there for who asks next.
        let fetching = tokio::spawn(async move { app.fetch(upload, &sent, &hold).await });
        fetching.await.map_err(UploadError::Cancelled)?
    }

    async fn fetch(
        &self,
        upload: Upload,
        sent: &Presigned,
        hold: &Arc<UploadHold>,
    ) -> Result<Upload, FinishError> {
        if let Presigned::Parts(parts) = sent {
            self.complete_parts(&upload, parts).await?;
        }
        let (id, length) = (upload.id, upload.length);
        match self.bundles.fetch_sent(hold, length).await.map_err(UploadError::Store)? {
            Fetched::Whole => {}
            Fetched::Missing => return Ok(upload),
            Fetched::OtherLength(found) => {
                self.remove_upload(&upload, hold).await?;
                return Err(UploadError::OtherLength { length, found }.into());
            }
        }
        let here = Upload { offset: length, presigned: None, ..upload };
        let row = here.clone();
        let write = move |txn: &WriteTxn| uploads::put(txn, &row);
        self.registry.write(write).await.map_err(UploadError::Registry)?;
        // From here on the file is the bundle. What stays at the store is found by the sweep.
        if let Err(error) = self.bundles.remove_sent(id, &Presigned::Whole).await {
            tracing::warn!(upload.id = %id, "Could not remove a fetched bundle: {error}");
        }
        Ok(here)
    }

    /// Makes one object of the parts, once all of them are there. The store is asked
    /// which are, and not the sender.
    async fn complete_parts(
        &self,
        upload: &Upload,
        parts: &PresignedParts,
    ) -> Result<(), FinishError> {
        let arrived = self.bundles.list_parts(upload.id, &parts.upload_id).await;
        let Some(arrived) = arrived.map_err(UploadError::Store)? else {
            // Completed before, or swept: whether there is an object says which.
            return Ok(());
        };
        let has = |number: u32| {
            let length = parts.part_length(number, upload.length);
            arrived.iter().any(|part| part.number == number && Some(part.size) == length)
        };
        let count = parts.count(upload.length);
        let missing: Vec<_> = (1..=count).filter(|number| !has(*number)).collect();
        if !missing.is_empty() {
            return Err(FinishError::PartsMissing { missing, count });
        }
        // Parts of other numbers cannot have been sent: no address was signed for one.
        let completed = self.bundles.complete_parts(upload.id, &parts.upload_id, &arrived).await;
        Ok(completed.map_err(UploadError::Store)?)
    }
}

fn address_life() -> Duration {
    Duration::from_secs(ADDRESS_LIFE.as_secs().unsigned_abs())
}
