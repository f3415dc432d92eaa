//! Versions going away: yanked, so that nobody new installs them, or removed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use semver::Version;

use super::downloads::DownloadError;
use super::{App, Denied};
use crate::model::{
    AuditAction, ContentHash, ExtensionName, Install, Principal, ScopeKind, TenantId, Tombstone,
    Yank,
};
use crate::registry::{RegistryError, WriteTxn, audit, installs, removals, versions};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Why a version was not yanked, unyanked or removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// Also as the version that an upgrade may go back to, for its time.
    #[error("{name} {version} is in use by {}", tenants(*.count))]
    InUse { name: ExtensionName, version: Version, count: usize },
    #[error("a reason has at most {MAX_REASON} characters; this one has {0}")]
    LongReason(usize),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn tenants(count: usize) -> String {
    if count == 1 { "1 tenant".to_owned() } else { format!("{count} tenants") }
}

/// How many installs have the bundle, or had it before an upgrade after
/// `kept_since`. Where it is none, those that could go back to it for longer
/// than that can do so no more.
fn forget(
    txn: &WriteTxn,
    hash: &ContentHash,
    kept_since: Timestamp,
) -> Result<usize, RegistryError> {
    let left_at = |install: &Install| {
        let previous = install.previous.as_ref().filter(|row| row.content_hash == *hash);
        previous.map(|previous| previous.replaced_at)
    };
    let all = installs::list_all(txn)?;
    let in_use = |install: &&Install| {
        install.content_hash == *hash || left_at(install).is_some_and(|at| at > kept_since)
    };
    let count = all.iter().filter(in_use).count();
    if count == 0 {
        for mut install in all.into_iter().filter(|install| left_at(install).is_some()) {
            install.previous = None;
            installs::put(txn, &install)?;
        }
    }
    Ok(count)
}

/// How the versions of an extension stand, beside what they are.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    pub yanks: BTreeMap<Version, Yank>,
    /// The highest first.
    pub removed: Vec<Tombstone>,
}

impl App {
    /// Forbids new installs of a version and upgrades to it. Yanking it again
    /// changes nothing, also not the reason: the one that was given first is answered.
    pub async fn yank_version(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        version: &Version,
        reason: Option<&str>,
    ) -> Result<Yank, RemovalError> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let length = reason.map_or(0, |reason| reason.chars().count());
        if length > MAX_REASON {
            return Err(RemovalError::LongReason(length));
        }
        let row = self.published(principal, ScopeKind::BundlePublish, name, version).await?;
        let subject = format!("{name} {version}");
        let mut event = self.event(principal.actor(), AuditAction::VersionYanked, None, subject);
        event.detail = reason.map(str::to_owned);
        let yank = Yank {
            name: row.name,
            version: row.version,
            yanked_at: self.clock.now(),
            yanked_by: principal.actor().to_string(),
            reason: event.detail.clone(),
        };
        let write = move |txn: &WriteTxn| {
            if removals::yank(txn, &yank)? {
                audit::append(txn, &event)?;
            }
            removals::get_yank(txn, &yank.name, &yank.version).map(|known| known.unwrap_or(yank))
        };
        Ok(self.registry.write(write).await?)
    }

    /// Allows new installs again.
    pub async fn unyank_version(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        version: &Version,
    ) -> Result<(), RemovalError> {
        self.published(principal, ScopeKind::BundlePublish, name, version).await?;
        let subject = format!("{name} {version}");
        let event = self.event(principal.actor(), AuditAction::VersionUnyanked, None, subject);
        let (name, version) = (name.clone(), version.clone());
        let write = move |txn: &WriteTxn| {
            if removals::unyank(txn, &name, &version)? {
                audit::append(txn, &event)?;
            }
            Ok(())
        };
        Ok(self.registry.write(write).await?)
    }

    /// Removes a version that is installed nowhere, for good.
    ///
    /// Its number stays taken. Its objects stay for a day, in which a backup
    /// that was being made still finds them; the sweep takes them.
    pub async fn remove_version(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        version: &Version,
    ) -> Result<Tombstone, RemovalError> {
        let row = self.published(principal, ScopeKind::BundlePublish, name, version).await?;
        let now = self.clock.now();
        let tombstone = Tombstone {
            name: row.name,
            version: row.version,
            content_hash: row.content_hash,
            removed_at: now,
            removed_by: principal.actor().to_string(),
            objects_removed: false,
        };
        let subject = format!("{name} {version} {}", tombstone.content_hash);
        let event = self.event(principal.actor(), AuditAction::VersionRemoved, None, subject);
        let hours = self.config.ext_ui.previous_version_hours;
        let kept_since = now - SignedDuration::from_hours(hours.into());
        let buried = tombstone.clone();
        let write = move |txn: &WriteTxn| {
            if versions::get(txn, &buried.name, &buried.version)?.is_none() {
                return Ok(None); // Another was faster.
            }
            let count = forget(txn, &buried.content_hash, kept_since)?;
            if count == 0 {
                removals::bury(txn, &buried)?;
                audit::append(txn, &event)?;
            }
            Ok(Some(count))
        };
        match self.registry.write(write).await? {
            None => {
                let (name, version) = (name.clone(), version.clone());
                Err(DownloadError::UnknownVersion { name, version }.into())
            }
            Some(0) => {
                self.pages.forget(&tombstone.content_hash);
                Ok(tombstone)
            }
            Some(count) => {
                Err(RemovalError::InUse { name: name.clone(), version: version.clone(), count })
            }
        }
    }

    /// What is yanked and removed of one extension.
    pub async fn standings_of(&self, name: &ExtensionName) -> Result<Standings, RegistryError> {
        let name = name.clone();
        self.registry
            .read(move |txn| {
                let yanks = removals::list_yanks_of(txn, &name)?;
                let yanks = yanks.into_iter().map(|yank| (yank.version.clone(), yank)).collect();
                Ok(Standings { yanks, removed: removals::list_tombstones_of(txn, &name)? })
            })
            .await
    }

    /// Whether a version is yanked, and why.
    pub async fn yank_of(
        &self,
        name: &ExtensionName,
        version: &Version,
    ) -> Result<Option<Yank>, RegistryError> {
        let (name, version) = (name.clone(), version.clone());
        self.registry.read(move |txn| removals::get_yank(txn, &name, &version)).await
    }

    /// Every yank, by extension and version.
    pub async fn list_yanks(
        &self,
    ) -> Result<BTreeMap<(ExtensionName, Version), Yank>, RegistryError> {
        let yanks = self.registry.read(removals::list_yanks).await?;
        let keyed = |yank: Yank| ((yank.name.clone(), yank.version.clone()), yank);
        Ok(yanks.into_iter().map(keyed).collect())
    }

    /// The tenants that a version is installed in, for the question before it goes.
    pub fn tenants_with(&self, name: &ExtensionName, version: &Version) -> Vec<TenantId> {
        let live = self.registry.live();
        let in_use = |install: &Install| install.name == *name && install.version == *version;
        let rows = live.installs().filter(|row| in_use(&row.install));
        rows.map(|row| row.install.tenant.clone()).collect()
    }
}
