//! Installs that are gone, whose kept values are still to be removed, as their operator wished.
//!
//! What is kept is in a file of its own, which has no common commit with this one. The wish
//! is in the commit that removes the install; whoever finds it, after a crash too, fulfills it.

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};
use crate::model::{ExtensionName, Install, InstallId, TenantId};

/// An install's id to a JSON [`Purge`].
const PURGES: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("purges");

/// Of which install what is kept is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    pub tenant: TenantId,
    pub install: InstallId,
    pub extension: ExtensionName,
}

impl Purge {
    /// Of an install that goes.
    pub fn of(install: &Install) -> Self {
        let (tenant, extension) = (install.tenant.clone(), install.name.clone());
        Self { tenant, install: install.id, extension }
    }
}

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(PURGES)?;
    Ok(())
}

/// Notes what is to be removed.
pub fn put(txn: &WriteTxn, purge: &Purge) -> Result<(), RegistryError> {
    let row = encode(&PURGES, purge)?;
    txn.table(PURGES)?.insert(purge.install.as_bytes(), row.as_slice())?;
    Ok(())
}

/// Forgets what was removed.
pub fn remove(txn: &WriteTxn, install: &InstallId) -> Result<(), RegistryError> {
    txn.table(PURGES)?.remove(install.as_bytes())?;
    Ok(())
}

/// All that is to be removed.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Purge>, RegistryError> {
    let rows = txn.rows(PURGES)?;
    rows.iter()?.map(|row| decode(&PURGES, row?.1.value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{install, registry, version};

    #[test]
    fn what_is_to_be_removed_is_known_until_it_is() {
        let registry = registry();
        let purge = Purge::of(&install("acme", &version("hello", "1.0.0", "a")));

        let wished = registry.write_blocking(|txn| {
            put(txn, &purge)?;
            list(txn)
        });
        registry.write_blocking(|txn| remove(txn, &purge.install)).unwrap();

        assert_eq!(wished.unwrap(), [purge]);
        assert_eq!(registry.read_blocking(list).unwrap(), []);
    }
}
