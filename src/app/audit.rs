//! Reading the record of who did what.

use super::{App, Denied};
use crate::model::{
    AuditAction, AuditEvent, AuditFilter, AuditReach, Install, Principal, ScopeKind, TenantId,
};
use crate::registry::RegistryError;
use crate::registry::audit::{self, Found, Search};

/// Rows of one answer, at most.
pub const MAX_ROWS: usize = 1_000;
/// Rows that one request reads, at most: some ten milliseconds on a slow machine.
pub const MAX_READ: usize = 20_000;

/// Which part of the record is asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub filter: AuditFilter,
    /// Only rows with a lower number.
    pub before: Option<u64>,
    /// At most [`MAX_ROWS`]; more is taken as that.
    pub limit: usize,
}

/// Part of the record, the newest row first.
#[derive(Debug)]
pub struct AuditRows {
    pub rows: Vec<(u64, AuditEvent)>,
    /// `before` of the request that goes on; `None`: nothing older is left to look at.
    pub next: Option<u64>,
}

/// Why the record was not read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// What is there of another tenant plays no part in this.
    #[error("the caller sees only the record of its own tenant, not that of {0}")]
    OtherTenant(TenantId),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// The newest rows that the caller may see and asks for.
    pub async fn audit(
        &self,
        principal: &Principal,
        query: AuditQuery,
    ) -> Result<AuditRows, AuditError> {
        // A scope for some names is none for the record: not every row has a name.
        if !principal.allows(ScopeKind::AuditRead, None) {
            return Err(Denied { kind: ScopeKind::AuditRead, name: None }.into());
        }
        let reach = AuditReach::of(principal);
        let AuditQuery { filter, before, limit } = query;
        if let Some(tenant) = filter.tenant.as_ref().filter(|tenant| !reach.covers(Some(*tenant))) {
            return Err(AuditError::OtherTenant(tenant.clone()));
        }
        let search = Search { before, limit: limit.min(MAX_ROWS), budget: MAX_READ };
        let found = self.registry.read(move |txn| audit::search(txn, &reach, &filter, search));
        let Found { rows, next } = found.await?;
        Ok(AuditRows { rows, next })
    }

    /// Who changed the settings of an install, and when: at most the newest `limit`.
    pub async fn settings_changes(
        &self,
        principal: &Principal,
        install: &Install,
        limit: usize,
    ) -> Result<AuditRows, AuditError> {
        let filter = AuditFilter {
            tenant: Some(install.tenant.clone()),
            action: Some(AuditAction::SettingsChanged),
            // The version follows: without the space names that go on would be found, too.
            subject: format!("{} ", install.name).parse().ok(),
            // Before that it was another install of this name.
            from: Some(install.installed_at),
            ..AuditFilter::default()
        };
        self.audit(principal, AuditQuery { filter, before: None, limit }).await
    }
}
