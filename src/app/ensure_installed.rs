//! Installing as existing clients know it: what is there already is moved to the
//! version, and what an operator has decided about it stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use semver::Version;

use super::install::{InstallError, InstallRequest, Installed};
use super::upgrade::UpgradeRequest;
use super::{App, check_allowed};
use crate::model::{
    Capability, ExtensionName, ExtensionVersion, Install, Principal, ScopeKind, StarVersion,
};
use crate::registry::{LiveInstall, RegistryError, removals, versions};

/// How long "the version that you have just published" is one.
const JUST_PUBLISHED: SignedDuration = SignedDuration::from_mins(15);

/// Why an extension is not installed as asked.
#[derive(Debug, thiserror::Error)]
pub enum EnsureInstalledError {
    #[error("{name} {asked} is not published")]
    UnknownVersion { name: ExtensionName, asked: String },
    #[error("{0} is not installed")]
    NotInstalled(ExtensionName),
    #[error(transparent)]
    Install(#[from] InstallError),
}

impl From<RegistryError> for EnsureInstalledError {
    fn from(error: RegistryError) -> Self {
        Self::Install(InstallError::Registry(error))
    }
}

impl App {
    /// Has an extension installed at a version, with everything that its manifest asks for.
    ///
    /// A new install is enabled, in the same commit; one whose component cannot
    /// run is not made. One that is there keeps its settings, stays disabled if
    /// it is, and is not granted what its operator has withheld.
    pub async fn ensure_installed(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        asked: &str,
    ) -> Result<Install, EnsureInstalledError> {
        check_allowed(principal, ScopeKind::InstallWrite, name).map_err(InstallError::Denied)?;
        let version = self.wanted_version(principal, name, asked).await?;
        let live = self.registry.live();
        if let Some(current) = live.install(&principal.tenant(), &version.name) {
            return Ok(self.move_install(principal, current, &version).await?);
        }
        self.prepare(&version).await.map_err(InstallError::Compile)?;
        let (name, grants) = (version.name.clone(), asked_grants(&version));
        let version = Some(version.version);
        let request = InstallRequest { name, version, grants, egress: None, enabled: true };
        let (Installed::Created(install) | Installed::Unchanged(install)) =
            self.install(principal, request).await?;
        Ok(install)
    }

    /// Moves an install to a version, as [`App::ensure_installed`] does.
    pub async fn ensure_updated(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        asked: &str,
    ) -> Result<Install, EnsureInstalledError> {
        check_allowed(principal, ScopeKind::InstallWrite, name).map_err(InstallError::Denied)?;
        let live = self.registry.live();
        let current = live
            .install(&principal.tenant(), name)
            .ok_or_else(|| EnsureInstalledError::NotInstalled(name.clone()))?;
        let version = self.wanted_version(principal, name, asked).await?;
        Ok(self.move_install(principal, current, &version).await?)
    }

    /// Has an extension not installed. That it never was is not an error.
    pub async fn ensure_uninstalled(
        self: &Arc<Self>,
        principal: &Principal,
        name: &ExtensionName,
    ) -> Result<(), InstallError> {
        check_allowed(principal, ScopeKind::InstallWrite, name)?;
        let live = self.registry.live();
        match live.install(&principal.tenant(), name) {
            Some(current) => self.uninstall(principal, current.install.id, false).await,
            None => Ok(()),
        }
    }

    /// The extension that a client means: its name, or the alias of an installed one.
    ///
    /// A name that is installed or published goes before an alias: nobody takes
    /// over another's by choosing a publisher.
    pub async fn find_name(
        &self,
        principal: &Principal,
        id: &str,
    ) -> Result<Option<ExtensionName>, RegistryError> {
        let live = self.registry.live();
        let by_alias = live.install_by_alias(&principal.tenant(), id);
        let by_alias = by_alias.map(|found| found.install.name.clone());
        let Ok(name) = id.parse::<ExtensionName>() else { return Ok(by_alias) };
        let Some(by_alias) = by_alias else { return Ok(Some(name)) };
        if live.install(&principal.tenant(), &name).is_some() {
            return Ok(Some(name));
        }
        let asked = name.clone();
        let published = self.registry.read(move |txn| versions::highest(txn, &asked)).await?;
        Ok(Some(if published.is_some() { name } else { by_alias }))
    }

    async fn move_install(
        &self,
        principal: &Principal,
        current: &LiveInstall,
        version: &ExtensionVersion,
    ) -> Result<Install, InstallError> {
        let withheld = withheld(current);
        let grants = asked_grants(version).into_iter().filter(|grant| !withheld.contains(grant));
        let request = UpgradeRequest {
            version: Some(version.version.clone()),
            grants: Some(grants.collect()),
            // These clients know no such question; who may install may answer it.
            confirmed: true,
        };
        self.upgrade(principal, current.install.id, request).await
    }

    /// The version that a client asks for: exactly, by a star, or by having just
    /// published one whose number it does not know.
    async fn wanted_version(
        &self,
        principal: &Principal,
        name: &ExtensionName,
        asked: &str,
    ) -> Result<ExtensionVersion, EnsureInstalledError> {
        let (exact, star) = (asked.trim().parse(), asked.trim().parse::<StarVersion>());
        let (of, actor) = (name.clone(), principal.actor().to_string());
        let since = self.clock.now() - JUST_PUBLISHED;
        let found = self.registry.read(move |txn| {
            let mut published = versions::list_of(txn, &of)?;
            if exact.is_err() {
                // Whoever asks for a number gets it, or hears that it is yanked.
                let yanked = removals::list_yanks_of(txn, &of)?;
                published.retain(|row| yanked.iter().all(|yank| yank.version != row.version));
            }
            let fits = |row: &&ExtensionVersion| match (&exact, &star) {
                (Ok(exact), _) => row.version == *exact,
                (_, Ok(star)) => star.matches(&row.version),
                (Err::<Version, _>(_), Err(_)) => false,
            };
            // The highest is first.
            let found = published.iter().find(fits).cloned();
            let own = published
                .into_iter()
                .filter(|row| row.published_by == actor && row.published_at >= since);
            Ok(found.or_else(|| own.max_by_key(|row| row.published_at)))
        });
        let unknown = EnsureInstalledError::UnknownVersion {
            name: name.clone(),
            asked: asked.trim().chars().take(64).collect(),
        };
        found.await?.ok_or(unknown)
    }
}

/// What the version's manifest asks for.
fn asked_grants(version: &ExtensionVersion) -> BTreeSet<Capability> {
    version.manifest.capabilities.iter().copied().collect()
}

/// What the installed version asks for and its operator has not granted.
fn withheld(current: &LiveInstall) -> BTreeSet<Capability> {
    asked_grants(&current.version).difference(&current.grants).copied().collect()
}
