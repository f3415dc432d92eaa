//! Tenants. The one called `default` is there from the start.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{Tenant, TenantId};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A tenant's id to a JSON [`Tenant`].
const TENANTS: TableDefinition<&str, &[u8]> = TableDefinition::new("tenants");

pub(super) fn create_table(txn: &WriteTransaction, now: Timestamp) -> Result<(), RegistryError> {
    let default = Tenant { id: TenantId::default_tenant(), created_at: now };
    let row = encode(&TENANTS, &default)?;
    txn.open_table(TENANTS)?.insert(default.id.as_str(), row.as_slice())?;
    Ok(())
}

/// Inserts a tenant; false, and nothing done, when the id is in use.
pub fn insert(txn: &WriteTxn, tenant: &Tenant) -> Result<bool, RegistryError> {
    let known = exists(txn, &tenant.id)?;
    if !known {
        let row = encode(&TENANTS, tenant)?;
        txn.table(TENANTS)?.insert(tenant.id.as_str(), row.as_slice())?;
    }
    Ok(!known)
}

/// Every tenant, by id.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Tenant>, RegistryError> {
    let rows = txn.rows(TENANTS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&TENANTS, row?.1.value())).collect()
}

/// Whether there is a tenant with this id.
pub fn exists(txn: &impl ReadTables, id: &TenantId) -> Result<bool, RegistryError> {
    Ok(txn.rows(TENANTS)?.get(id.as_str())?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, registry, tenant};

    #[test]
    fn the_default_tenant_is_there_from_the_start() {
        let registry = registry();
        let default = Tenant { id: TenantId::default_tenant(), created_at: at(0) };

        let inserted = registry.write_blocking(|txn| insert(txn, &default)).unwrap();

        assert!(!inserted);
        assert_eq!(registry.read_blocking(list).unwrap(), [default]);
    }

    #[test]
    fn a_tenant_exists_once_it_is_inserted() {
        let registry = registry();
        let acme = Tenant { id: tenant("acme"), created_at: at(5) };
        assert!(!registry.read_blocking(|txn| exists(txn, &acme.id)).unwrap());

        assert!(registry.write_blocking(|txn| insert(txn, &acme)).unwrap());

        assert!(registry.read_blocking(|txn| exists(txn, &acme.id)).unwrap());
    }
}
