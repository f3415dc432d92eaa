//! Publishing what an upload has brought.

use std::sync::Arc;

use super::UploadError;
use crate::app::App;
use crate::app::publish::{PublishError, Published, Terms};
use crate::model::{ContentHash, Principal, Upload, UploadId};
use crate::registry::{WriteTxn, quarantine, uploads, versions};
use crate::store::UploadHold;
use crate::trust::{Report, ReportedExtension};

/// Why an upload was not published.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error("{missing} of {length} bytes have not arrived yet", missing = .length - .offset)]
    Incomplete { offset: u64, length: u64 },
    /// Of those that are sent to the store.
    #[error("{} of {count} parts have not arrived yet", .missing.len())]
    PartsMissing { missing: Vec<u32>, count: u32 },
    /// It was published or quarantined, and that has been undone since.
    #[error("what became of the upload {0} is gone")]
    Gone(UploadId),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl App {
    /// Publishes an upload. Doing it again gives the same answer, until it expires.
    pub async fn finish_upload(
        self: &Arc<Self>,
        principal: &Principal,
        id: UploadId,
        signatures: Vec<Vec<u8>>,
        expected_hash: Option<ContentHash>,
    ) -> Result<Published, FinishError> {
        let terms = Terms { signatures, expected_hash, ..Terms::default() };
        self.finish_upload_on(principal, id, terms).await
    }

    /// [`App::finish_upload`] on other terms.
    pub(super) async fn finish_upload_on(
        self: &Arc<Self>,
        principal: &Principal,
        id: UploadId,
        mut terms: Terms,
    ) -> Result<Published, FinishError> {
        let (upload, hold) = self.hold_own_upload(principal, id).await?;
        if upload.finished {
            return self.outcome_of(upload).await;
        }
        let upload = self.fetch_sent(upload, &hold).await?;
        if !upload.is_complete() {
            let Upload { offset, length, .. } = upload;
            return Err(FinishError::Incomplete { offset, length });
        }
        let staged = match self.bundles.finish_upload(&hold, upload.length).await {
            Err(error) => return Err(self.or_lost(&upload, &hold, error).await?.into()),
            Ok(staged) => staged,
        };
        // Whichever of the two is wrong is the one that the verification must see.
        let expected = [terms.expected_hash, upload.declared_hash].into_iter().flatten();
        terms.expected_hash =
            expected.reduce(|one, other| if one == staged.content_hash { other } else { one });
        let published = self.publish_on(principal, staged, terms).await;
        self.settle_upload(&upload, &hold, &published).await?;
        Ok(published?)
    }

    /// What is decided needs no bytes; what may be decided otherwise in a moment keeps them.
    async fn settle_upload(
        &self,
        upload: &Upload,
        hold: &Arc<UploadHold>,
        published: &Result<Published, PublishError>,
    ) -> Result<(), FinishError> {
        let (hash, report) = match published {
            Ok(Published::Registered { version, report, .. }) => (version.content_hash, report),
            Ok(Published::Quarantined { entry, report }) => (entry.content_hash, report),
            Err(
                PublishError::Rejected(_)
                | PublishError::VersionTaken { .. }
                | PublishError::VersionRemoved { .. }
                | PublishError::ManifestMismatch
                | PublishError::ManifestText(_)
                | PublishError::Denied(_),
            ) => return Ok(self.remove_upload(upload, hold).await?),
            Err(
                PublishError::NotChecked(_)
                | PublishError::TooManySignatures(_)
                | PublishError::Store(_)
                | PublishError::Registry(_)
                | PublishError::Cancelled(_),
            ) => return Ok(()),
        };
        let row = Upload {
            finished: true,
            declared_hash: Some(hash),
            report: Some(serde_json::to_value(report).expect("a report is plain data")),
            ..upload.clone()
        };
        let write = move |txn: &WriteTxn| uploads::put(txn, &row);
        self.registry.write(write).await.map_err(UploadError::Registry)?;
        Ok(self.bundles.remove_upload(hold).await.map_err(UploadError::Store)?)
    }

    /// The answer to an upload that was finished before, or never needed its bytes.
    async fn outcome_of(&self, upload: Upload) -> Result<Published, FinishError> {
        let gone = || FinishError::Gone(upload.id);
        let hash = upload.declared_hash.ok_or_else(gone)?;
        let found = self.registry.read(move |txn| {
            Ok((versions::get_by_hash(txn, &hash)?, quarantine::get(txn, &hash)?))
        });
        let report = upload.report.clone().and_then(|report| serde_json::from_value(report).ok());
        match found.await.map_err(UploadError::Registry)? {
            (Some(version), _) => {
                let (name, number) = (version.name.clone(), version.version.clone());
                let extension = ReportedExtension { name, version: number };
                let report = report.unwrap_or_else(|| Report::of_published(hash, extension));
                let version = Arc::new(version);
                Ok(Published::Registered { version, created: false, report })
            }
            (None, Some(entry)) => {
                let report = report.ok_or_else(gone)?;
                Ok(Published::Quarantined { entry, report })
            }
            (None, None) => Err(gone()),
        }
    }
}
