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

    /// An install of another tenant is as unknown as one that never was.
    pub(crate) fn own_install(
        &self,
        principal: &Principal,
        kind: ScopeKind,
        id: InstallId,
    ) -> Result<Arc<LiveInstall>, InstallError> {
        let live = self.registry.live();
        let install = live
            .install_by_id(&id)
            .filter(|row| row.install.tenant == principal.tenant())
            .ok_or_else(|| InstallError::UnknownInstall(id.to_string()))?;
        check_allowed(principal, kind, &install.install.name)?;
        Ok(Arc::clone(install))
    }
}
