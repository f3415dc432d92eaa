//! The keys that operators trust, keyed by key id.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{KeyId, TrustedKey};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A key id to a JSON [`TrustedKey`].
const TRUSTED_KEYS: TableDefinition<&str, &[u8]> = TableDefinition::new("trusted_keys");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(TRUSTED_KEYS)?;
    Ok(())
}

/// Adds a key, or replaces what was known of it.
pub fn put(txn: &WriteTxn, key: &TrustedKey) -> Result<(), RegistryError> {
    let row = encode(&TRUSTED_KEYS, key)?;
    txn.table(TRUSTED_KEYS)?.insert(key.id.as_str(), row.as_slice())?;
    txn.next().put_trusted_key(key.clone());
    Ok(())
}

/// The key with this id.
pub fn get(txn: &impl ReadTables, id: &KeyId) -> Result<Option<TrustedKey>, RegistryError> {
    let rows = txn.rows(TRUSTED_KEYS)?;
    let row = rows.get(id.as_str())?;
    row.map(|row| decode(&TRUSTED_KEYS, row.value())).transpose()
}

/// Removes a key and returns what it was.
pub fn remove(txn: &WriteTxn, id: &KeyId) -> Result<Option<TrustedKey>, RegistryError> {
    let Some(key) = get(txn, id)? else { return Ok(None) };
    txn.table(TRUSTED_KEYS)?.remove(id.as_str())?;
    txn.next().remove_trusted_key(&key);
    Ok(Some(key))
}

/// Every key, by key id.
pub fn list(txn: &impl ReadTables) -> Result<Vec<TrustedKey>, RegistryError> {
    let rows = txn.rows(TRUSTED_KEYS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&TRUSTED_KEYS, row?.1.value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyStatus;
    use crate::registry::samples::{registry, trusted_key};

    #[test]
    fn a_key_is_replaced_in_the_table_and_in_the_snapshot() {
        let registry = registry();
        let (first, second) = (trusted_key(1), trusted_key(2));
        let revoked = TrustedKey { status: KeyStatus::Revoked, ..first.clone() };

        registry
            .write_blocking(|txn| {
                [&first, &second, &revoked].into_iter().try_for_each(|key| put(txn, key))
            })
            .unwrap();

        let mut expected = [revoked, second];
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(registry.read_blocking(list).unwrap(), expected);
        assert!(registry.live().trusted_keys().iter().map(|key| &**key).eq(&expected));
    }

    #[test]
    fn a_removed_key_is_trusted_nowhere() {
        let registry = registry();
        let key = trusted_key(1);
        registry.write_blocking(|txn| put(txn, &key)).unwrap();

        let removed = registry.write_blocking(|txn| remove(txn, &key.id)).unwrap();

        assert_eq!(removed, Some(key.clone()));
        assert_eq!(registry.read_blocking(|txn| get(txn, &key.id)).unwrap(), None);
        assert!(registry.live().trusted_keys().is_empty());
    }
}
