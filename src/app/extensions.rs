//! What is published: the read side of the registry.

use semver::Version;

use super::App;
use crate::model::{ExtensionName, ExtensionVersion, Principal, ScopeKind};
use crate::registry::{RegistryError, versions};

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
