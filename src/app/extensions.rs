//! What is published: the read side of the registry.

use semver::Version;

use super::App;
use super::install::InstallError;
use crate::model::{ExtensionName, ExtensionVersion, Principal, ScopeKind, offered_version};
use crate::registry::{RegistryError, removals, versions};

impl App {
    /// Every published version the caller may see, by name, highest version first.
    pub async fn list_versions(
        &self,
        principal: &Principal,
    ) -> Result<Vec<ExtensionVersion>, RegistryError> {
        let mut all = self.registry.read(versions::list).await?;
        all.retain(|row| principal.allows(ScopeKind::InstallRead, Some(&row.name)));
        all.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        Ok(all)
    }

    /// Every version of one extension, highest first.
    pub async fn list_versions_of(
        &self,
        name: &ExtensionName,
    ) -> Result<Vec<ExtensionVersion>, RegistryError> {
        let name = name.clone();
        let mut all = self.registry.read(move |txn| versions::list_of(txn, &name)).await?;
        all.sort_by(|a, b| b.version.cmp(&a.version));
        Ok(all)
    }

    /// The version asked for, or the one that is offered: see [`offered_version`].
    pub(crate) async fn find_version(
        &self,
        name: &ExtensionName,
        version: Option<&Version>,
    ) -> Result<ExtensionVersion, InstallError> {
        let (asked_name, asked) = (name.clone(), version.cloned());
        let found = self
            .registry
            .read(move |txn| {
                if let Some(version) = asked {
                    return versions::get(txn, &asked_name, &version);
                }
                let yanks = removals::list_yanks_of(txn, &asked_name)?;
                let is_yanked =
                    |version: &Version| yanks.iter().any(|yank| yank.version == *version);
                let all = versions::list_of(txn, &asked_name)?;
                Ok(offered_version(all, |row| (&row.version, is_yanked(&row.version))))
            })
            .await?;
        found.ok_or_else(|| InstallError::UnknownVersion {
            name: name.clone(),
            version: version.cloned(),
        })
    }

    /// One version.
    pub async fn get_version(
        &self,
        name: &ExtensionName,
        version: &Version,
    ) -> Result<Option<ExtensionVersion>, RegistryError> {
        let (name, version) = (name.clone(), version.clone());
        self.registry.read(move |txn| versions::get(txn, &name, &version)).await
    }
}
