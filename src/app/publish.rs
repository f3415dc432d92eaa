//! Publishing: verify an upload, store its archive, register its version.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinError;

use super::verification::{duration_ms, not_kept};
use super::{App, Denied, check_allowed};
use crate::fail_point;
use crate::model::{
    AuditAction, ContentHash, ExtensionName, ExtensionVersion, Manifest, ManifestProblem,
    Principal, Quarantined, ScopeKind, StarVersion, Stars,
};
use crate::registry::versions::{self, Insertion};
use crate::registry::{RegistryError, WriteTxn, audit, quarantine, removals};
use crate::store::{MAX_KEPT_SIGNATURES, Staged, StoreError};
use crate::trust::{ExaminedBundle, QuarantinedBundle, Report, Verification, VerifiedBundle};

/// What comes with a bundle, and what the route it came by allows.
#[derive(Debug, Default)]
pub struct Terms {
    /// DSSE envelopes, as raw JSON.
    pub signatures: Vec<Vec<u8>>,
    /// What the sender says the hash is.
    pub expected_hash: Option<ContentHash>,
    /// What the sender says the manifest is: JSON, compared with the bundle's own.
    pub manifest: Option<Vec<u8>>,
    /// Whether a manifest may say `X.Y.*`: it gets the next free patch, or the
    /// version that the same bytes have.
    pub stars: Stars,
}

/// What publishing did.
#[derive(Debug)]
pub enum Published {
    /// The version is registered; `created` is false when the same bytes were before.
    Registered { version: Arc<ExtensionVersion>, created: bool, report: Report },
    /// The bundle is kept, and waits for a person.
    Quarantined { entry: Quarantined, report: Report },
}

/// Why a bundle was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The bundle is not acceptable; nothing was kept.
    #[error("the bundle is refused")]
    Rejected(Box<Report>),
    /// The verifier could not finish; nothing was kept, and a repeat may succeed.
    #[error("the bundle could not be checked")]
    NotChecked(Box<Report>),
    /// Versions are immutable.
    #[error("{name} {version} is already published with other content")]
    VersionTaken { name: ExtensionName, version: semver::Version },
    /// The sender meant another bundle than it sent.
    #[error("the manifest that was sent with the bundle is not the bundle's own")]
    ManifestMismatch,
    /// What was sent as a manifest is no JSON.
    #[error("the manifest that was sent with the bundle cannot be read: {}", .0.message)]
    ManifestText(ManifestProblem),
    /// The number of a removed version is not used again.
    #[error("{name} {version} was removed; its number is not used again")]
    VersionRemoved { name: ExtensionName, version: semver::Version },
    /// It settles nothing together with what is kept, and there is no room for it.
    #[error("{MAX_KEPT_SIGNATURES} signatures are kept with the bundle {0}; more are not")]
    TooManySignatures(ContentHash),
    /// The caller may not publish this name.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The archive could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The version could not be registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The process is shutting down.
    #[error("publishing was cancelled")]
    Cancelled(#[from] JoinError),
}

impl App {
    /// Publishes a received bundle. Publishing the same bytes twice is not an error.
    ///
    /// The archive is stored before the version is registered: a crash between
    /// the two leaves an object nobody refers to, never a version whose archive
    /// is missing. A refused bundle leaves nothing but its audit event.
    pub async fn publish(
        &self,
        principal: &Principal,
        staged: Staged,
        signatures: Vec<Vec<u8>>,
        expected_hash: Option<ContentHash>,
    ) -> Result<Published, PublishError> {
        let terms = Terms { signatures, expected_hash, ..Terms::default() };
        self.publish_on(principal, staged, terms).await
    }

    /// [`App::publish`] on other terms.
    pub async fn publish_on(
        &self,
        principal: &Principal,
        mut staged: Staged,
        terms: Terms,
    ) -> Result<Published, PublishError> {
        let upload = staged.upload(terms.expected_hash, terms.signatures);
        let hash = upload.content_hash;
        fail_point!("publish.received");
        let verification = self.verify(upload, terms.stars).await?;
        fail_point!("publish.verified");
        if let Some(manifest) = &terms.manifest {
            check_manifest(&verification, manifest)?;
        }
        // `staged` lives until here and beyond: dropping it removes what was refused.
        let settling = self.bundles.settling(hash).await;
        let published = self.settle(principal, verification).await;
        drop((settling, staged));
        published
    }

    /// Turns a verdict into its consequence. The caller holds [`BundleStore::settling`].
    ///
    /// [`BundleStore::settling`]: crate::store::BundleStore::settling
    pub(crate) async fn settle(
        &self,
        principal: &Principal,
        verification: Verification,
    ) -> Result<Published, PublishError> {
        match verification {
            Verification::Verified(bundle) => {
                self.check_acceptable(principal, &bundle).await?;
                self.register(principal, *bundle).await
            }
            Verification::Quarantined(bundle) => {
                self.check_acceptable(principal, &bundle).await?;
                self.quarantine(principal, *bundle).await
            }
            Verification::Rejected(report) => {
                let actor = principal.actor();
                let subject = report.content_hash.to_string();
                let event = self.event(actor, AuditAction::BundleRejected, None, subject);
                self.registry.write(move |txn| audit::append(txn, &event)).await?;
                Err(PublishError::Rejected(Box::new(report)))
            }
            Verification::NotChecked(report) => Err(PublishError::NotChecked(Box::new(report))),
        }
    }

    /// Refuses a name that is not the caller's to publish, and the number of a removed
    /// version, both also for the quarantine: nobody could ever approve that one.
    pub(crate) async fn check_acceptable(
        &self,
        principal: &Principal,
        bundle: &ExaminedBundle,
    ) -> Result<(), PublishError> {
        check_allowed(principal, ScopeKind::BundlePublish, &bundle.manifest().name)?;
        let (name, version) = (bundle.manifest().name.clone(), bundle.manifest().version.clone());
        let found = {
            let (name, version) = (name.clone(), version.clone());
            self.registry.read(move |txn| removals::get_tombstone(txn, &name, &version)).await?
        };
        found.map_or(Ok(()), |_| Err(PublishError::VersionRemoved { name, version }))
    }

    /// Refuses a taken version before anything is stored, so that a refused
    /// upload leaves no object.
    pub(crate) async fn check_not_taken(
        &self,
        bundle: &VerifiedBundle,
    ) -> Result<(), PublishError> {
        if bundle.star().is_some() {
            return Ok(()); // It moves on to the next number.
        }
        let (name, number) = (bundle.manifest().name.clone(), bundle.manifest().version.clone());
        let row = {
            let (name, number) = (name.clone(), number.clone());
            self.registry.read(move |txn| versions::get(txn, &name, &number)).await?
        };
        match row {
            Some(row) if row.content_hash != bundle.content_hash() => {
                Err(PublishError::VersionTaken { name, version: number })
            }
            _ => Ok(()),
        }
    }

    async fn register(
        &self,
        principal: &Principal,
        bundle: VerifiedBundle,
    ) -> Result<Published, PublishError> {
        self.check_not_taken(&bundle).await?;
        let started = Instant::now();
        let kept = self.bundles.put(&bundle).await?;
        let stored_ms = duration_ms(started);
        fail_point!("publish.stored");
        let version = self.version_of(principal, &bundle);
        let (insertion, version) =
            self.insert_version(principal, version, bundle.star(), kept.mended).await?;
        fail_point!("publish.registered");
        let version = Arc::new(version);
        let taken = (version.name.clone(), version.version.clone());
        match (insertion, taken) {
            (Insertion::Created | Insertion::Unchanged, _) => {}
            (Insertion::Taken, (name, version)) => {
                return Err(PublishError::VersionTaken { name, version });
            }
            (Insertion::Removed, (name, version)) => {
                return Err(PublishError::VersionRemoved { name, version });
            }
        }
        // The row is gone in the same commit; the kept copy is only waste.
        if let Err(error) = self.bundles.remove_quarantined(&version.content_hash).await {
            tracing::warn!(bundle.hash = %version.content_hash, "Kept a quarantined copy: {error}");
        }
        self.prepare_in_background(&version);
        self.encode_in_background(&version);
        let created = insertion == Insertion::Created;
        log_registered(&version, created, stored_ms);
        Ok(Published::Registered { version, created, report: bundle.report().clone() })
    }

    async fn insert_version(
        &self,
        principal: &Principal,
        mut version: ExtensionVersion,
        star: Option<StarVersion>,
        mended: Vec<String>,
    ) -> Result<(Insertion, ExtensionVersion), PublishError> {
        let subject = format!("{} {}", version.name, version.version);
        let mended = (!mended.is_empty()).then(|| {
            let action = AuditAction::BundleMended;
            let mut event = self.event(principal.actor(), action, None, subject.clone());
            event.detail = Some(mended.join(", "));
            tracing::warn!(
                bundle.hash = %version.content_hash,
                "Replaced damaged objects of {subject}: {}", mended.join(", "),
            );
            event
        });
        let mut event = self.event(principal.actor(), AuditAction::BundlePublished, None, subject);
        let write = move |txn: &WriteTxn| {
            if let Some(event) = &mended {
                audit::append(txn, event)?;
            }
            let insertion = match star {
                None => versions::insert(txn, &version)?,
                // Its number is settled here: another bundle may have taken the one it was
                // verified with.
                Some(star) => versions::insert_at_star(txn, &mut version, star)?,
            };
            if insertion == Insertion::Created {
                event.subject = format!("{} {}", version.name, version.version);
                audit::append(txn, &event)?;
            }
            if matches!(insertion, Insertion::Created | Insertion::Unchanged) {
                quarantine::remove(txn, &version.content_hash)?;
            }
            Ok((insertion, version))
        };
        Ok(self.registry.write(write).await?)
    }

    fn version_of(&self, principal: &Principal, bundle: &VerifiedBundle) -> ExtensionVersion {
        ExtensionVersion {
            name: bundle.manifest().name.clone(),
            version: bundle.manifest().version.clone(),
            star: bundle.star(),
            content_hash: bundle.content_hash(),
            size: bundle.size(),
            manifest: bundle.manifest().clone(),
            world: bundle.world(),
            signers: bundle.signers().to_vec(),
            approved_because: bundle.approved_because().map(str::to_owned),
            files: bundle.files().to_vec(),
            published_at: self.clock.now(),
            published_by: principal.actor().to_string(),
        }
    }

    /// Keeps a bundle that lacks trust, or publishes it with what is kept since it was sent before.
    async fn quarantine(
        &self,
        principal: &Principal,
        bundle: QuarantinedBundle,
    ) -> Result<Published, PublishError> {
        let hash = bundle.content_hash();
        let known = self.registry.read(move |txn| versions::get_by_hash(txn, &hash)).await?;
        if let Some(version) = known {
            // Published before, by a signature or an approval that did not come along this time.
            let (version, report) = (Arc::new(version), bundle.report().clone());
            return Ok(Published::Registered { version, created: false, report });
        }
        let kept = self.bundles.kept_signatures(&hash).await?;
        let bundle = match self.verify_with_kept(&bundle, &kept).await? {
            Some(Verification::Verified(whole)) => return self.register(principal, *whole).await,
            Some(Verification::Quarantined(whole)) => *whole,
            // What was found of this sending stands.
            Some(Verification::Rejected(_) | Verification::NotChecked(_)) | None => bundle,
        };
        if kept.len() + not_kept(&bundle, &kept).len() > MAX_KEPT_SIGNATURES {
            return Err(PublishError::TooManySignatures(hash));
        }
        self.bundles.put_quarantined(&bundle).await?;
        fail_point!("publish.quarantined");
        let days = i64::from(self.config.store.quarantine_days);
        let now = self.clock.now();
        let entry = Quarantined {
            content_hash: bundle.content_hash(),
            name: bundle.manifest().name.clone(),
            version: bundle.manifest().version.clone(),
            size: bundle.size(),
            quarantined_at: now,
            expires_at: now + jiff::SignedDuration::from_hours(24 * days),
            published_by: principal.actor().to_string(),
            report: serde_json::to_value(bundle.report()).expect("a report is plain data"),
        };
        let subject = format!("{} {} {}", entry.name, entry.version, entry.content_hash);
        let event = self.event(principal.actor(), AuditAction::BundleQuarantined, None, subject);
        let row = entry.clone();
        let write = move |txn: &WriteTxn| {
            // Since it was looked for: nobody could ever approve it.
            if removals::get_tombstone(txn, &row.name, &row.version)?.is_some() {
                return Ok(false);
            }
            quarantine::put(txn, &row)?;
            audit::append(txn, &event)?;
            Ok(true)
        };
        if !self.registry.write(write).await? {
            // The copy may have a row from before the removal; without one the sweep takes it.
            return Err(PublishError::VersionRemoved { name: entry.name, version: entry.version });
        }
        Ok(Published::Quarantined { entry, report: bundle.report().clone() })
    }
}

fn log_registered(version: &ExtensionVersion, created: bool, stored_ms: u64) {
    let named = format!("{} {}", version.name, version.version);
    let message = if created {
        tracing::info!(
            bundle.hash = %version.content_hash,
            duration_ms = stored_ms,
            "Stored a bundle",
        );
        format!("Published {named}")
    } else {
        format!("{named} was published before")
    };
    tracing::info!(
        extension.name = %version.name,
        extension.version = %version.version,
        bundle.hash = %version.content_hash,
        "{message}",
    );
}

/// Holds what the sender says the manifest is against what it is.
fn check_manifest(verification: &Verification, said: &[u8]) -> Result<(), PublishError> {
    let manifest = match verification {
        Verification::Verified(bundle) => bundle.manifest_json(),
        Verification::Quarantined(bundle) => bundle.manifest_json(),
        // The report says what is wrong with it.
        Verification::Rejected(_) | Verification::NotChecked(_) => return Ok(()),
    };
    match Manifest::is_same_json(manifest, said) {
        Ok(true) => Ok(()),
        Ok(false) => Err(PublishError::ManifestMismatch),
        Err(problem) => Err(PublishError::ManifestText(problem)),
    }
}
