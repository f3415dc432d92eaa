//! Beginning an upload: what is promised to its sender is taken from everybody's room
//! and from the sender's own share, before a byte comes.

use jiff::SignedDuration;

use super::{CONTENT_TYPES, NewUpload, UploadError};
use crate::app::App;
use crate::model::{ContentHash, Principal, ScopeKind, Upload, UploadId};
use crate::registry::versions;
use crate::store::StoreError;

/// Bytes of a file name that are kept.
const MAX_FILENAME_BYTES: usize = 255;

impl App {
    /// Begins an upload. Of a bundle that is published already it is finished at once.
    pub async fn begin_upload(
        &self,
        principal: &Principal,
        new: NewUpload,
    ) -> Result<Upload, UploadError> {
        self.check_new(&new)?;
        match self.finished_at_once(principal, &new).await? {
            Some(upload) => Ok(upload),
            None => self.take_room(self.new_upload(principal, &new)).await,
        }
    }

    /// The upload of a bundle that is published already: its bytes are not needed.
    pub(super) async fn finished_at_once(
        &self,
        principal: &Principal,
        new: &NewUpload,
    ) -> Result<Option<Upload>, UploadError> {
        let Some(hash) = new.declared_hash else { return Ok(None) };
        if !self.is_published_for(principal, hash).await? {
            return Ok(None);
        }
        let upload = self.new_upload(principal, new);
        let upload = Upload { finished: true, offset: upload.length, ..upload };
        self.admit(&upload).await?;
        Ok(Some(upload))
    }

    /// An upload that nothing has come of yet.
    pub(super) fn new_upload(&self, principal: &Principal, new: &NewUpload) -> Upload {
        let now = self.clock.now();
        let seconds = i64::try_from(self.config.uploads.expire_after_s).unwrap_or(i64::MAX);
        Upload {
            id: UploadId::random(),
            tenant: principal.tenant(),
            owner: principal.actor().to_string(),
            length: new.length,
            offset: 0,
            declared_hash: new.declared_hash,
            filename: shown_name(&new.filename),
            created_at: now,
            expires_at: now + SignedDuration::from_secs(seconds),
            presigned: None,
            finished: false,
            report: None,
        }
    }

    /// Takes the room for an upload and adds its row, or neither.
    pub(super) async fn take_room(&self, upload: Upload) -> Result<Upload, UploadError> {
        let room = self.bundles.reserve_upload(upload.id, upload.length).await?;
        self.admit(&upload).await?;
        room.keep();
        Ok(upload)
    }

    pub(super) fn check_new(&self, new: &NewUpload) -> Result<(), UploadError> {
        let (limit, received) = (self.config.store.max_bundle_bytes, new.length);
        if received > limit {
            return Err(StoreError::TooLarge { limit, received }.into());
        }
        if received == 0 {
            return Err(UploadError::Empty);
        }
        match &new.content_type {
            Some(sent) if !sent.is_empty() && !CONTENT_TYPES.contains(&sent.as_str()) => {
                Err(UploadError::ContentType(sent.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a bundle is published under a name that the caller may publish.
    pub(super) async fn is_published_for(
        &self,
        principal: &Principal,
        hash: ContentHash,
    ) -> Result<bool, UploadError> {
        let known = self.registry.read(move |txn| versions::get_by_hash(txn, &hash)).await?;
        Ok(known
            .is_some_and(|version| principal.allows(ScopeKind::BundlePublish, Some(&version.name))))
    }
}

/// The last part of a path, without what would break a line on a terminal or a page.
fn shown_name(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut shown: String = name.chars().filter(|letter| !letter.is_control()).collect();
    while shown.len() > MAX_FILENAME_BYTES {
        shown.pop();
    }
    shown
}
