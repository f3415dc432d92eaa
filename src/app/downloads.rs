//! Handing out what is published: the bundle, its manifest, its signatures.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use semver::Version;

use super::{App, Denied, check_allowed};
use crate::model::{AuditAction, ExtensionName, ExtensionVersion, KeyId, Principal, ScopeKind};
use crate::registry::{RegistryError, audit, versions};
use crate::store::{ArchiveBytes, StoreError};
use crate::trust::{self, CheckResult, PublishedSignature};

/// The most signatures kept beside a bundle.
const MAX_SIGNATURES: usize = 16;

/// How long an address is good for that a download is sent to: it is followed at once,
/// and what has begun goes on.
const ADDRESS_LIFE: Duration = Duration::from_mins(1);

/// Why something published is not handed out, or nothing is added to it.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("{name} {version} is not published")]
    UnknownVersion { name: ExtensionName, version: Version },
    #[error("{name} {version} has no signature by key {key_id}")]
    UnknownSignature { name: ExtensionName, version: Version, key_id: KeyId },
    /// What was sent is no signature of this version.
    #[error("the signature is refused: {}", .0.found.as_deref().unwrap_or("it is not acceptable"))]
    BadSignature(Box<CheckResult>),
    #[error("{name} {version} has {MAX_SIGNATURES} signatures; more are not kept")]
    TooManySignatures { name: ExtensionName, version: Version },
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// A published version, for a caller who may do `kind` with its extension.
    pub async fn published(
        &self,
        principal: &Principal,
        kind: ScopeKind,
        name: &ExtensionName,
        version: &Version,
    ) -> Result<ExtensionVersion, DownloadError> {
        check_allowed(principal, kind, name)?;
        let (asked, number) = (name.clone(), version.clone());
        let row = self.registry.read(move |txn| versions::get(txn, &asked, &number)).await?;
        row.ok_or_else(|| DownloadError::UnknownVersion {
            name: name.clone(),
            version: version.clone(),
        })
    }

    /// The bytes `part` of a bundle, as it was published.
    pub async fn open_archive(
        &self,
        version: &ExtensionVersion,
        part: Range<u64>,
    ) -> Result<ArchiveBytes, DownloadError> {
        Ok(self.bundles.archive(version, part).await?)
    }

    /// Where a bundle can be fetched from the store itself; `None`: nowhere, as is usual.
    ///
    /// What is fetched there is held against nothing: its receiver has the digest.
    pub fn bundle_address(
        &self,
        version: &ExtensionVersion,
        file_name: &str,
    ) -> Result<Option<String>, DownloadError> {
        if !self.config.store.s3.redirect_downloads || !self.bundles.presigns() {
            return Ok(None);
        }
        Ok(Some(self.bundles.presign_download(version, file_name, ADDRESS_LIFE)?))
    }

    /// The manifest, as it is in the bundle.
    pub async fn open_manifest(&self, version: &ExtensionVersion) -> Result<Bytes, DownloadError> {
        Ok(self.bundles.manifest(version).await?)
    }

    /// The signatures kept beside a version, as they stand today.
    pub async fn list_signatures(
        &self,
        version: &ExtensionVersion,
    ) -> Result<Vec<PublishedSignature>, DownloadError> {
        let mut found = Vec::new();
        for key_id in self.bundles.signature_keys(&version.content_hash).await? {
            let (_, signature) = self.open_signature(version, &key_id).await?;
            found.push(signature);
        }
        Ok(found)
    }

    /// One envelope. The store is not believed: it must be by this key and
    /// about this version.
    pub async fn open_signature(
        &self,
        version: &ExtensionVersion,
        key_id: &KeyId,
    ) -> Result<(Bytes, PublishedSignature), DownloadError> {
        let kept = self.bundles.signature(&version.content_hash, key_id).await?;
        let envelope = kept.ok_or_else(|| DownloadError::UnknownSignature {
            name: version.name.clone(),
            version: version.version.clone(),
            key_id: key_id.clone(),
        })?;
        let damaged = |problem: &str| StoreError::Integrity {
            key: format!("signatures/{key_id}"),
            problem: problem.to_owned(),
        };
        let found = trust::examine_signature(&envelope, version, &self.trust, &self.facts(None))
            .map_err(|failed| damaged(failed.found.as_deref().unwrap_or("it does not verify")))?;
        let by_key = found.into_iter().find(|signature| signature.key_id == *key_id);
        let signature = by_key.ok_or_else(|| damaged("it is by another key"))?;
        Ok((envelope, signature))
    }

    /// Adds a signature to a published version: true when one of its keys is new.
    ///
    /// The version stays the fact it was: who had signed it when it was
    /// published does not change. The event is written first: what a crash broke off is on
    /// record, and is done by adding the signature again.
    pub async fn add_signature(
        &self,
        principal: &Principal,
        version: &ExtensionVersion,
        envelope: Bytes,
    ) -> Result<(Vec<PublishedSignature>, bool), DownloadError> {
        let found = trust::examine_signature(&envelope, version, &self.trust, &self.facts(None))
            .map_err(DownloadError::BadSignature)?;
        let hash = version.content_hash;
        // Else two who add the same at once both find it missing, and both write that it is new.
        let _settling = self.bundles.settling(hash).await;
        let kept = self.bundles.signature_keys(&hash).await?;
        let new: Vec<_> = found.iter().filter(|one| !kept.contains(&one.key_id)).collect();
        if kept.len() + new.len() > MAX_SIGNATURES {
            return Err(DownloadError::TooManySignatures {
                name: version.name.clone(),
                version: version.version.clone(),
            });
        }
        if !new.is_empty() {
            let subject = format!("{} {} {hash}", version.name, version.version);
            let action = AuditAction::SignatureAttached;
            let event = self.event(principal.actor(), action, None, subject);
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
        }
        let mut added = false;
        for signature in new {
            added |= self.bundles.add_signature(&hash, &signature.key_id, envelope.clone()).await?;
        }
        Ok((found, added))
    }
}
