//! Files beside a published version: attached later, or out of the bundle.

use std::io::Read;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::task::{JoinError, spawn_blocking};

use super::downloads::DownloadError;
use super::publish::{PublishError, Published};
use super::{App, Denied};
use crate::model::{
    Attachment, AttachmentKind, AuditAction, ContentHash, ExtensionVersion, FileDigest, FileEntry,
    Principal,
};
use crate::registry::{RegistryError, WriteTxn, attachments, audit};
use crate::store::{Staged, StoreError};
use crate::trust::{self, AttachmentProblem, Recognized};

/// A file beside a version, or one of its own that is shown like one.
#[derive(Clone, Debug, Serialize)]
pub struct AttachedFile {
    pub kind: AttachmentKind,
    /// Where in the bundle it is; `None` for what somebody attached.
    pub path: Option<String>,
    pub format: String,
    pub media_type: String,
    pub size: u64,
    pub sha256: FileDigest,
    pub attached_at: Option<Timestamp>,
    pub attached_by: Option<String>,
}

/// What somebody sends to be attached.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    pub kind: AttachmentKind,
    pub content: Bytes,
}

/// Why nothing was attached, found or taken away.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    #[error("{name} {version} has no {kind}")]
    Unknown { name: String, version: String, kind: AttachmentKind },
    #[error("a {0} is a file of the bundle and changes only with a new version")]
    OfTheBundle(AttachmentKind),
    #[error("the {kind} is not acceptable: {problem}")]
    Invalid { kind: AttachmentKind, problem: AttachmentProblem },
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The process is shutting down.
    #[error("attaching was cancelled")]
    Cancelled(#[from] JoinError),
}

impl App {
    /// Publishes a bundle together with what is attached to it.
    ///
    /// Attachments are looked at before anything is kept. Those of a bundle that
    /// is quarantined are not kept: the second value says which were.
    pub async fn publish_with_attachments(
        &self,
        principal: &Principal,
        staged: Staged,
        signatures: Vec<Vec<u8>>,
        expected_hash: Option<ContentHash>,
        sent: Vec<NewAttachment>,
    ) -> Result<(Published, Vec<AttachmentKind>), AttachmentError> {
        let mut recognized = Vec::new();
        for attachment in sent {
            let found = recognize(attachment.clone(), staged.content_hash).await?;
            recognized.push((attachment, found));
        }
        let published = self.publish(principal, staged, signatures, expected_hash).await?;
        let mut kept = Vec::new();
        if let Published::Registered { version, .. } = &published {
            for (attachment, found) in recognized {
                kept.push(attachment.kind);
                self.keep_attachment(principal, version, attachment, found).await?;
            }
        }
        Ok((published, kept))
    }

    /// Everything beside a version.
    pub async fn list_attachments(
        &self,
        version: &ExtensionVersion,
    ) -> Result<Vec<AttachedFile>, AttachmentError> {
        let hash = version.content_hash;
        let attached = self.registry.read(move |txn| attachments::list_of(txn, &hash)).await?;
        let of_the_bundle = [AttachmentKind::Readme, AttachmentKind::Changelog]
            .into_iter()
            .filter_map(|kind| Some(file_of_bundle(kind, self.document(version, kind)?)));
        Ok(of_the_bundle.chain(attached.into_iter().map(AttachedFile::from)).collect())
    }

    /// One of them, with its content.
    pub async fn open_attachment(
        &self,
        version: &ExtensionVersion,
        kind: AttachmentKind,
    ) -> Result<(AttachedFile, Bytes), AttachmentError> {
        if kind.is_of_the_bundle() {
            let file = self.document(version, kind).ok_or_else(|| unknown(version, kind))?;
            let mut opened = self.bundles.asset(version, file).await?.file;
            let read = spawn_blocking(move || {
                let mut content = Vec::new();
                opened.read_to_end(&mut content).map(|_| content)
            });
            let content = read.await.map_err(std::io::Error::other).flatten();
            let content = content.map_err(|error| StoreError::Unavailable {
                doing: "read a file".into(),
                source: error.into(),
            })?;
            return Ok((file_of_bundle(kind, file), content.into()));
        }
        let hash = version.content_hash;
        let row = self.registry.read(move |txn| attachments::get(txn, &hash, kind)).await?;
        let row = row.ok_or_else(|| unknown(version, kind))?;
        let content = self.bundles.attachment(&row).await?;
        Ok((row.into(), content))
    }

    /// Attaches a file, in the place of the one of its kind. True when it is new
    /// or another; the same bytes again change nothing.
    pub async fn attach(
        &self,
        principal: &Principal,
        version: &ExtensionVersion,
        sent: NewAttachment,
    ) -> Result<(AttachedFile, bool), AttachmentError> {
        let found = recognize(sent.clone(), version.content_hash).await?;
        self.keep_attachment(principal, version, sent, found).await
    }

    async fn keep_attachment(
        &self,
        principal: &Principal,
        version: &ExtensionVersion,
        NewAttachment { kind, content }: NewAttachment,
        Recognized { format, media_type }: Recognized,
    ) -> Result<(AttachedFile, bool), AttachmentError> {
        // From the object over the row to the object that it replaces: between them another
        // could attach what is replaced here, and lose it.
        let _settling = self.bundles.settling(version.content_hash).await;
        let digest: [u8; 32] = Sha256::digest(&content).into();
        let row = Attachment {
            content_hash: version.content_hash,
            kind,
            format,
            media_type: media_type.to_owned(),
            size: content.len() as u64,
            sha256: digest.into(),
            attached_at: self.clock.now(),
            attached_by: principal.actor().to_string(),
        };
        self.bundles.put_attachment(&row, content).await?;
        let subject = format!("{} {} {kind}", version.name, version.version);
        let event = self.event(principal.actor(), AuditAction::Attached, None, subject);
        let new = row.clone();
        let write = move |txn: &WriteTxn| {
            let known = attachments::get(txn, &new.content_hash, kind)?;
            if let Some(same) = known.clone().filter(|known| known.sha256 == new.sha256) {
                return Ok((same, None, false));
            }
            attachments::put(txn, &new)?;
            audit::append(txn, &event)?;
            Ok((new, known, true))
        };
        let (row, replaced, is_new) = self.registry.write(write).await?;
        if let Some(replaced) = replaced {
            self.bundles.remove_attachment(&replaced).await?;
        }
        Ok((row.into(), is_new))
    }

    /// Takes an attachment away.
    pub async fn detach(
        &self,
        principal: &Principal,
        version: &ExtensionVersion,
        kind: AttachmentKind,
    ) -> Result<(), AttachmentError> {
        if kind.is_of_the_bundle() {
            return Err(AttachmentError::OfTheBundle(kind));
        }
        let subject = format!("{} {} {kind}", version.name, version.version);
        let event = self.event(principal.actor(), AuditAction::Detached, None, subject);
        let hash = version.content_hash;
        let _settling = self.bundles.settling(hash).await;
        let write = move |txn: &WriteTxn| {
            let removed = attachments::remove(txn, &hash, kind)?;
            if removed.is_some() {
                audit::append(txn, &event)?;
            }
            Ok(removed)
        };
        let removed = self.registry.write(write).await?.ok_or_else(|| unknown(version, kind))?;
        Ok(self.bundles.remove_attachment(&removed).await?)
    }

    /// The bundle's own `README` or `CHANGELOG`, at its top and not too large to show.
    fn document<'v>(
        &self,
        version: &'v ExtensionVersion,
        kind: AttachmentKind,
    ) -> Option<&'v FileEntry> {
        let limit = self.config.store.max_attachment_bytes;
        let is_it = |file: &&FileEntry| {
            let name = file.path.as_str().to_ascii_lowercase();
            let ending = name.strip_prefix(kind.as_str());
            ending.is_some_and(|ending| ["", ".md", ".txt"].contains(&ending))
        };
        version.files.iter().find(is_it).filter(|file| file.size <= limit)
    }
}

/// Parsing a large document keeps a core busy: not on an async thread.
async fn recognize(
    NewAttachment { kind, content }: NewAttachment,
    hash: ContentHash,
) -> Result<Recognized, AttachmentError> {
    if kind.is_of_the_bundle() {
        return Err(AttachmentError::OfTheBundle(kind));
    }
    let recognized = spawn_blocking(move || trust::recognize(kind, &content, &hash)).await?;
    recognized.map_err(|problem| AttachmentError::Invalid { kind, problem })
}

fn unknown(version: &ExtensionVersion, kind: AttachmentKind) -> AttachmentError {
    let (name, version) = (version.name.to_string(), version.version.to_string());
    AttachmentError::Unknown { name, version, kind }
}

/// Whatever it says it is, it is text: it is shown and sent as nothing else.
fn file_of_bundle(kind: AttachmentKind, file: &FileEntry) -> AttachedFile {
    AttachedFile {
        kind,
        path: Some(file.path.to_string()),
        format: "text of the bundle".to_owned(),
        media_type: "text/plain; charset=utf-8".to_owned(),
        size: file.size,
        sha256: file.sha256,
        attached_at: None,
        attached_by: None,
    }
}

impl From<Attachment> for AttachedFile {
    fn from(row: Attachment) -> Self {
        Self {
            kind: row.kind,
            path: None,
            format: row.format,
            media_type: row.media_type,
            size: row.size,
            sha256: row.sha256,
            attached_at: Some(row.attached_at),
            attached_by: Some(row.attached_by),
        }
    }
}
