//! Installs, keyed by tenant and extension name: a tenant has an extension once.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{ExtensionName, Install, InstallId, TenantId};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn, uses};

/// `(tenant, name)` to a JSON [`Install`].
const INSTALLS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("installs");

/// An install's id to `(tenant, name)`.
const IDS: TableDefinition<&[u8; 16], (&str, &str)> = TableDefinition::new("install_ids");

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(INSTALLS)?;
    txn.open_table(IDS)?;
    Ok(())
}

/// Inserts an install; false, and nothing done, when the tenant has the extension or the id is used.
///
/// Its version must be in the registry.
pub fn insert(txn: &WriteTxn, install: &Install) -> Result<bool, RegistryError> {
    let known = get(txn, &install.id)?.is_some()
        || get_by_name(txn, &install.tenant, &install.name)?.is_some();
    if !known {
        let key = (install.tenant.as_str(), install.name.as_str());
        txn.table(IDS)?.insert(install.id.as_bytes(), key)?;
        write(txn, install)?;
    }
    Ok(!known)
}

/// Replaces the row of an install; false, and nothing done, when there is none with its id.
pub fn put(txn: &WriteTxn, install: &Install) -> Result<bool, RegistryError> {
    let same_key = |row: &Install| row.tenant == install.tenant && row.name == install.name;
    let known = get(txn, &install.id)?.as_ref().is_some_and(same_key);
    if known {
        write(txn, install)?;
    }
    Ok(known)
}

/// Removes an install and returns what it was.
pub fn remove(txn: &WriteTxn, id: &InstallId) -> Result<Option<Install>, RegistryError> {
    let Some(install) = get(txn, id)? else { return Ok(None) };
    txn.table(IDS)?.remove(id.as_bytes())?;
    txn.table(INSTALLS)?.remove((install.tenant.as_str(), install.name.as_str()))?;
    uses::remove(txn, id)?;
    txn.next().remove_install(&install);
    Ok(Some(install))
}

/// The install with this id, in whichever tenant: compare the tenant before using it.
pub fn get(txn: &impl ReadTables, id: &InstallId) -> Result<Option<Install>, RegistryError> {
    let ids = txn.rows(IDS)?;
    let Some(key) = ids.get(id.as_bytes())? else { return Ok(None) };
    let rows = txn.rows(INSTALLS)?;
    let row = rows.get(key.value())?;
    row.map(|row| decode(&INSTALLS, row.value())).transpose()
}

/// A tenant's install of an extension.
pub fn get_by_name(
    txn: &impl ReadTables,
    tenant: &TenantId,
    name: &ExtensionName,
) -> Result<Option<Install>, RegistryError> {
    let rows = txn.rows(INSTALLS)?;
    let row = rows.get((tenant.as_str(), name.as_str()))?;
    row.map(|row| decode(&INSTALLS, row.value())).transpose()
}

/// Every install, by tenant and name.
pub fn list_all(txn: &impl ReadTables) -> Result<Vec<Install>, RegistryError> {
    let rows = txn.rows(INSTALLS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&INSTALLS, row?.1.value())).collect()
}

fn write(txn: &WriteTxn, install: &Install) -> Result<(), RegistryError> {
    let joined = txn.next().joined(txn, install.clone())?;
    let key = (install.tenant.as_str(), install.name.as_str());
    txn.table(INSTALLS)?.insert(key, encode(&INSTALLS, install)?.as_slice())?;
    txn.next().put_install(joined);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{install, registry, tenant, version};
    use crate::registry::versions;

    #[test]
    fn a_tenant_has_an_extension_once_and_another_tenant_has_its_own() {
        let registry = registry();
        let hello = version("hello", "1.0.0", "a");
        let (ours, again) = (install("acme", &hello), install("acme", &hello));
        let theirs = install("other", &hello);

        let inserted = registry
            .write_blocking(|txn| {
                versions::insert(txn, &hello)?;
                Ok([insert(txn, &ours)?, insert(txn, &again)?, insert(txn, &theirs)?])
            })
            .unwrap();

        assert_eq!(inserted, [true, false, true]);
        assert_eq!(registry.read_blocking(list_all).unwrap(), [ours, theirs]);
    }

    #[test]
    fn a_removed_install_is_gone_by_name_and_by_id() {
        let registry = registry();
        let hello = version("hello", "1.0.0", "a");
        let row = install("acme", &hello);
        registry
            .write_blocking(|txn| {
                versions::insert(txn, &hello)?;
                insert(txn, &row)
            })
            .unwrap();

        let removed = registry.write_blocking(|txn| remove(txn, &row.id)).unwrap();

        assert_eq!(removed, Some(row.clone()));
        let found = registry
            .read_blocking(|txn| {
                Ok((get(txn, &row.id)?, get_by_name(txn, &row.tenant, &row.name)?))
            })
            .unwrap();
        assert_eq!(found, (None, None));
        assert!(registry.live().install_by_id(&row.id).is_none());
        assert!(!registry.write_blocking(|txn| put(txn, &row)).unwrap());
    }

    #[test]
    fn an_install_of_an_unknown_version_is_refused_whole() {
        let registry = registry();
        let row = install("acme", &version("hello", "1.0.0", "a"));

        let error = registry.write_blocking(|txn| insert(txn, &row)).unwrap_err();

        assert!(matches!(error, RegistryError::MissingVersion { .. }));
        assert_eq!(registry.read_blocking(|txn| get(txn, &row.id)).unwrap(), None);
    }

    #[test]
    fn an_install_cannot_be_moved_to_another_tenant() {
        let registry = registry();
        let hello = version("hello", "1.0.0", "a");
        let row = install("acme", &hello);
        registry
            .write_blocking(|txn| {
                versions::insert(txn, &hello)?;
                insert(txn, &row)
            })
            .unwrap();
        let moved = Install { tenant: tenant("other"), ..row };

        assert!(!registry.write_blocking(|txn| put(txn, &moved)).unwrap());
    }
}
