//! Moving an install to another version, and back.

use std::collections::BTreeSet;
use std::sync::Arc;

use semver::Version;

use super::App;
use super::install::InstallError;
use crate::fail_point;
use crate::model::{
    AuditAction, Capability, ExtensionVersion, Install, InstallId, PreviousVersion, Principal,
    ScopeKind,
};
use crate::registry::{WriteTxn, removals};

/// Where to move an install.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    /// `None`: the highest published version that is neither a pre-release nor yanked.
    pub version: Option<Version>,
    /// `None`: what is granted now, as far as the new manifest asks for it.
    pub grants: Option<BTreeSet<Capability>>,
    /// Whether a person has seen and accepted that the grants grow.
    pub confirmed: bool,
}

impl App {
    /// Moves an install to another published version. Settings stay.
    ///
    /// One commit; the version it leaves stays on the row for [`App::upgrade_back`]. What is
    /// asked of the caller and what is granted follow from the install as it was read: if
    /// somebody else changes it meanwhile, nothing is done.
    pub async fn upgrade(
        &self,
        principal: &Principal,
        id: InstallId,
        request: UpgradeRequest,
    ) -> Result<Install, InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let current = &live.install;
        let version = self.find_version(&current.name, request.version.as_ref()).await?;
        // Before the grants: nobody is asked about those of a version that cannot be had.
        if current.content_hash != version.content_hash {
            self.check_not_yanked(&version).await?;
        }
        let kept = || version.manifest.keep_grants(&current.grants);
        let grants = request.grants.unwrap_or_else(kept);
        version.manifest.check_grants(&grants).map_err(InstallError::GrantNotRequested)?;
        let grown: Vec<_> = grants.difference(&current.effective_grants()).copied().collect();
        if !grown.is_empty() && !request.confirmed {
            return Err(InstallError::GrantsGrow(grown));
        }
        if current.content_hash == version.content_hash && current.grants == grants {
            return Ok(current.clone());
        }
        if current.enabled {
            self.prepare(&version).await?;
        }
        let now = self.clock.now();
        fail_point!("upgrade.begin");
        let read = Arc::clone(&live);
        let change = move |txn: &WriteTxn, install: &mut Install| {
            if install.content_hash == version.content_hash && install.grants == grants {
                return Ok(Ok(false));
            }
            if install.content_hash != read.install.content_hash
                || install.grants != read.install.grants
            {
                return Ok(Err(InstallError::Changed(install.name.clone())));
            }
            let moves = install.content_hash != version.content_hash;
            if moves && let Some(yank) = removals::get_yank(txn, &version.name, &version.version)? {
                return Ok(Err(InstallError::Yanked(Box::new(yank))));
            }
            if moves {
                install.previous = Some(PreviousVersion {
                    version: install.version.clone(),
                    content_hash: install.content_hash,
                    grants: install.grants.clone(),
                    replaced_at: now,
                });
            }
            if grants.contains(&Capability::HttpFetch)
                && !install.grants.contains(&Capability::HttpFetch)
            {
                install.egress = version.manifest.egress_rules().unwrap_or_default();
            }
            install.version = version.version;
            install.content_hash = version.content_hash;
            install.grants = grants;
            Ok(Ok(true))
        };
        let changed = self.try_change_install(principal, AuditAction::Upgraded, id, change).await;
        fail_point!("upgrade.committed");
        changed
    }

    async fn check_not_yanked(&self, version: &ExtensionVersion) -> Result<(), InstallError> {
        let yank = self.yank_of(&version.name, &version.version).await?;
        yank.map_or(Ok(()), |yank| Err(InstallError::Yanked(Box::new(yank))))
    }

    /// Restores the version, with its grants, that the last upgrade replaced.
    ///
    /// Also when it was yanked meanwhile: it is no new use, and may be the only
    /// one that works.
    pub async fn upgrade_back(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<Install, InstallError> {
        let live = self.own_install(principal, ScopeKind::InstallWrite, id)?;
        let name = live.install.name.clone();
        let previous = live.install.previous.as_ref();
        let previous = previous.ok_or_else(|| InstallError::NoPrevious(name.clone()))?;
        let version = self.find_version(&name, Some(&previous.version)).await?;
        if live.install.enabled {
            self.prepare(&version).await?;
        }
        let now = self.clock.now();
        // What is there now, and not what was read: it may have gone back meanwhile.
        let change = move |install: &mut Install| {
            let Some(previous) = install.previous.take() else { return false };
            let left = PreviousVersion {
                version: install.version.clone(),
                content_hash: install.content_hash,
                grants: install.grants.clone(),
                replaced_at: now,
            };
            install.version = previous.version;
            install.content_hash = previous.content_hash;
            install.grants = previous.grants;
            install.previous = Some(left);
            true
        };
        let install = self.change_install(principal, AuditAction::Upgraded, id, change).await?;
        if install.previous.is_some() { Ok(install) } else { Err(InstallError::NoPrevious(name)) }
    }
}
