//! Bundles that wait for a decision, keyed by content hash.

use std::cmp::Reverse;

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{ContentHash, Quarantined};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A content hash to a JSON [`Quarantined`].
const QUARANTINE: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("quarantine");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(QUARANTINE)?;
    Ok(())
}

/// Adds a bundle, or replaces what was known of it.
pub fn put(txn: &WriteTxn, bundle: &Quarantined) -> Result<(), RegistryError> {
    let row = encode(&QUARANTINE, bundle)?;
    txn.table(QUARANTINE)?.insert(bundle.content_hash.as_bytes(), row.as_slice())?;
    Ok(())
}

/// The quarantined bundle with this hash.
pub fn get(
    txn: &impl ReadTables,
    hash: &ContentHash,
) -> Result<Option<Quarantined>, RegistryError> {
    let rows = txn.rows(QUARANTINE)?;
    let row = rows.get(hash.as_bytes())?;
    row.map(|row| decode(&QUARANTINE, row.value())).transpose()
}

/// Every quarantined bundle, the newest first.
pub fn list(txn: &impl ReadTables) -> Result<Vec<Quarantined>, RegistryError> {
    let rows = txn.rows(QUARANTINE)?;
    let rows = rows.iter()?;
    let mut bundles = rows
        .map(|row| decode(&QUARANTINE, row?.1.value()))
        .collect::<Result<Vec<Quarantined>, RegistryError>>()?;
    bundles.sort_by_key(|bundle| Reverse(bundle.quarantined_at));
    Ok(bundles)
}

/// Removes a bundle and returns what was known of it.
pub fn remove(txn: &WriteTxn, hash: &ContentHash) -> Result<Option<Quarantined>, RegistryError> {
    let bundle = get(txn, hash)?;
    txn.table(QUARANTINE)?.remove(hash.as_bytes())?;
    Ok(bundle)
}

/// The bundles whose time is over at `now`.
pub fn expired(txn: &impl ReadTables, now: Timestamp) -> Result<Vec<Quarantined>, RegistryError> {
    Ok(list(txn)?.into_iter().filter(|bundle| bundle.expires_at <= now).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, quarantined, registry};

    #[test]
    fn a_bundle_is_in_quarantine_once_until_it_is_removed() {
        let registry = registry();
        let (first, second) = (quarantined("a", at(10)), quarantined("b", at(20)));
        registry
            .write_blocking(|txn| {
                put(txn, &first)?;
                put(txn, &first)?;
                put(txn, &second)
            })
            .unwrap();
        assert_eq!(registry.read_blocking(list).unwrap(), [second, first.clone()]);

        let hash = first.content_hash;
        let removed = registry.write_blocking(|txn| remove(txn, &hash)).unwrap();

        assert_eq!(removed, Some(first));
        assert_eq!(registry.read_blocking(|txn| get(txn, &hash)).unwrap(), None);
    }

    #[test]
    fn a_bundle_expires_at_its_time_and_not_before() {
        let registry = registry();
        let bundle = quarantined("a", at(10));
        registry.write_blocking(|txn| put(txn, &bundle)).unwrap();
        let second_before = at(bundle.expires_at.as_second() - 1);

        let (before, then) = registry
            .read_blocking(|txn| {
                Ok((expired(txn, second_before)?, expired(txn, bundle.expires_at)?))
            })
            .unwrap();

        assert_eq!((before.len(), then.len()), (0, 1));
    }
}
