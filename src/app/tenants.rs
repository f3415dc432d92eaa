//! Tenants: who installs belong to.

use super::App;
use crate::model::{AuditAction, Principal, Tenant, TenantId};
use crate::registry::{RegistryError, WriteTxn, audit, tenants};

/// Why a tenant was not created.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    #[error("the tenant {0} exists already")]
    Exists(TenantId),
    #[error("there is no tenant {0}")]
    Unknown(TenantId),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl App {
    /// Every tenant.
    pub async fn list_tenants(&self) -> Result<Vec<Tenant>, RegistryError> {
        self.registry.read(tenants::list).await
    }

    /// Creates a tenant.
    pub async fn create_tenant(
        &self,
        principal: &Principal,
        id: TenantId,
    ) -> Result<Tenant, TenantError> {
        let tenant = Tenant { id: id.clone(), created_at: self.clock.now() };
        let actor = principal.actor();
        let event = self.event(actor, AuditAction::TenantCreated, Some(id.clone()), id.as_str());
        let row = tenant.clone();
        let write = move |txn: &WriteTxn| {
            let inserted = tenants::insert(txn, &row)?;
            if inserted {
                audit::append(txn, &event)?;
            }
            Ok(inserted)
        };
        if self.registry.write(write).await? { Ok(tenant) } else { Err(TenantError::Exists(id)) }
    }
}
