//! The installs that a caller sees: those of its own tenant.

use std::sync::Arc;

use super::install::InstallError;
use super::{App, check_allowed};
use crate::model::{Install, InstallId, Principal, ScopeKind};
use crate::registry::LiveInstall;

impl App {
    /// The installs of the caller's tenant, by name.
    pub fn list_installs(&self, principal: &Principal) -> Vec<Arc<LiveInstall>> {
        let (live, tenant) = (self.registry.live(), principal.tenant());
        let visible = |install: &Install| {
            install.tenant == tenant
                && principal.allows(ScopeKind::InstallRead, Some(&install.name))
        };
        let mut found: Vec<_> =
            live.installs().filter(|row| visible(&row.install)).cloned().collect();
        found.sort_by(|a, b| a.install.name.cmp(&b.install.name));
        found
    }

    /// One install of the caller's tenant.
    pub fn get_install(
        &self,
        principal: &Principal,
        id: InstallId,
    ) -> Result<Arc<LiveInstall>, InstallError> {
        self.own_install(principal, ScopeKind::InstallRead, id)
    }

    /// The install of the caller's tenant that `id` names: an extension, by one of its names,
    /// or an install.
    pub fn find_own_install(
        &self,
        principal: &Principal,
        id: &str,
    ) -> Result<Arc<LiveInstall>, InstallError> {
        let (live, tenant) = (self.registry.live(), principal.tenant());
        let by_name = || live.install(&tenant, &id.parse().ok()?);
        let by_id = || live.install_by_id(&id.parse().ok()?);
        let found = by_name().or_else(|| live.install_by_alias(&tenant, id)).or_else(by_id);
        let found = found.ok_or_else(|| InstallError::UnknownInstall(id.to_owned()))?;
        self.own_install(principal, ScopeKind::InstallRead, found.install.id)
    }

    /// An install that the caller may do this with.
    pub(crate) fn own_install(
        &self,
        principal: &Principal,
        kind: ScopeKind,
        id: InstallId,
    ) -> Result<Arc<LiveInstall>, InstallError> {
        let install = self.live_of(principal, id);
        let install = install.ok_or_else(|| InstallError::UnknownInstall(id.to_string()))?;
        check_allowed(principal, kind, &install.install.name)?;
        Ok(install)
    }

    /// An install of the caller's tenant, whatever the caller may do with it. That of another
    /// is as unknown as one that never was.
    pub(super) fn live_of(&self, principal: &Principal, id: InstallId) -> Option<Arc<LiveInstall>> {
        let live = self.registry.live();
        let found = live.install_by_id(&id).filter(|row| row.install.tenant == principal.tenant());
        found.cloned()
    }
}
