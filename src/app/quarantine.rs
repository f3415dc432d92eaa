//! Deciding about quarantined bundles: attach a signature, approve, delete.

use super::publish::{PublishError, Published};
use super::{App, Denied, check_allowed};
use crate::model::{Approval, AuditAction, ContentHash, Principal, Quarantined, ScopeKind, Stars};
use crate::registry::{RegistryError, WriteTxn, approvals, audit, quarantine};
use crate::store::{MAX_KEPT_SIGNATURES, StoreError};
use crate::trust::Verification;

/// Why a decision about a quarantined bundle was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    #[error("no bundle with the hash {0} is quarantined")]
    Unknown(ContentHash),
    /// An exception without a reason is one nobody can answer for.
    #[error("an approval needs a reason of 1 to 500 characters")]
    NoReason,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Every quarantined bundle that the caller may publish.
    pub async fn list_quarantined(
        &self,
        principal: &Principal,
    ) -> Result<Vec<Quarantined>, RegistryError> {
        let mut rows = self.registry.read(quarantine::list).await?;
        rows.retain(|row| principal.allows(ScopeKind::BundlePublish, Some(&row.name)));
        Ok(rows)
    }

    /// One quarantined bundle.
    pub async fn get_quarantined(
        &self,
        principal: &Principal,
        hash: ContentHash,
    ) -> Result<Quarantined, QuarantineError> {
        self.quarantined_for(principal, ScopeKind::BundlePublish, hash).await
    }

    /// One quarantined bundle, for a caller who may do `kind` with its extension.
    async fn quarantined_for(
        &self,
        principal: &Principal,
        kind: ScopeKind,
        hash: ContentHash,
    ) -> Result<Quarantined, QuarantineError> {
        let row = self.registry.read(move |txn| quarantine::get(txn, &hash)).await?;
        let row = row.ok_or(QuarantineError::Unknown(hash))?;
        check_allowed(principal, kind, &row.name)?;
        Ok(row)
    }

    /// Verifies a quarantined bundle again, with more signatures.
    ///
    /// A bad signature is refused and changes nothing. So is one that settles nothing and for
    /// which there is no room beside those that are kept.
    ///
    /// The event is written first: what a crash broke off is on record, and is done by
    /// attaching the signature again.
    pub async fn attach_signatures(
        &self,
        principal: &Principal,
        hash: ContentHash,
        signatures: Vec<Vec<u8>>,
    ) -> Result<Published, QuarantineError> {
        let _settling = self.bundles.settling(hash).await;
        let row = self.get_quarantined(principal, hash).await?;
        let upload = self.bundles.quarantined_upload(&hash, signatures).await?;
        let is_new = |sent: &&Vec<u8>| !upload.kept.contains(*sent);
        let all = upload.kept.len() + upload.signatures.iter().filter(is_new).count();
        // Only a route that takes stars can have kept a bundle with one.
        let verification = self.verify(upload, Stars::Allowed).await?;
        if all > MAX_KEPT_SIGNATURES && matches!(verification, Verification::Quarantined(_)) {
            return Err(PublishError::TooManySignatures(hash).into());
        }
        let subject = format!("{} {} {hash}", row.name, row.version);
        let event = self.event(principal.actor(), AuditAction::SignatureAttached, None, subject);
        if self.check_decidable(principal, &verification).await? {
            self.registry.write(move |txn| audit::append(txn, &event)).await?;
        }
        Ok(self.settle(principal, verification).await?)
    }

    /// Accepts exactly this content hash as a named exception.
    ///
    /// The approval is recorded once nothing stands against the bundle, and before it is
    /// published: a crash between the two leaves a bundle that is still quarantined and that
    /// a repeat of the same call publishes.
    pub async fn approve(
        &self,
        principal: &Principal,
        hash: ContentHash,
        reason: &str,
    ) -> Result<Published, QuarantineError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > 500 {
            return Err(QuarantineError::NoReason);
        }
        let _settling = self.bundles.settling(hash).await;
        let row = self.quarantined_for(principal, ScopeKind::TrustWrite, hash).await?;
        let approval = Approval {
            content_hash: hash,
            reason: reason.to_owned(),
            approved_by: principal.actor().to_string(),
            approved_at: self.clock.now(),
        };
        let subject = format!("{} {} {hash}", row.name, row.version);
        let mut event = self.event(principal.actor(), AuditAction::BundleApproved, None, subject);
        event.detail = Some(approval.reason.clone());
        let upload = self.bundles.quarantined_upload(&hash, Vec::new()).await?;
        let verification =
            self.verify_approved(upload, Stars::Allowed, Some(approval.clone())).await?;
        self.check_decidable(principal, &verification).await?;
        if matches!(verification, Verification::Verified(_)) {
            let write = move |txn: &WriteTxn| {
                approvals::put(txn, &approval)?;
                audit::append(txn, &event)
            };
            self.registry.write(write).await?;
        }
        Ok(self.settle(principal, verification).await?)
    }

    /// Refuses what settling would refuse, before anything is written about it. False where
    /// the verdict leaves nothing to decide: settling says why.
    async fn check_decidable(
        &self,
        principal: &Principal,
        verification: &Verification,
    ) -> Result<bool, PublishError> {
        match verification {
            Verification::Verified(bundle) => {
                self.check_acceptable(principal, bundle).await?;
                self.check_not_taken(bundle).await?;
                Ok(true)
            }
            Verification::Quarantined(bundle) => {
                self.check_acceptable(principal, bundle).await?;
                Ok(true)
            }
            Verification::Rejected(_) | Verification::NotChecked(_) => Ok(false),
        }
    }

    /// Throws a quarantined bundle away.
    pub async fn delete_quarantined(
        &self,
        principal: &Principal,
        hash: ContentHash,
    ) -> Result<(), QuarantineError> {
        let _settling = self.bundles.settling(hash).await;
        let row = self.quarantined_for(principal, ScopeKind::TrustWrite, hash).await?;
        let subject = format!("{} {} {hash}", row.name, row.version);
        let event = self.event(principal.actor(), AuditAction::QuarantineDeleted, None, subject);
        let write = move |txn: &WriteTxn| {
            quarantine::remove(txn, &hash)?;
            audit::append(txn, &event)
        };
        self.registry.write(write).await?;
        Ok(self.bundles.remove_quarantined(&hash).await?)
    }
}
