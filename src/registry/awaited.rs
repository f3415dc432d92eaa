//! Bundles that a sender was told to wait for, keyed by content hash and tenant.
//!
//! A sender whose bundle was quarantined asks again once it is published, and
//! must then hear that it worked, and not that somebody else was first.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{ContentHash, TenantId};

use super::{ReadTables, RegistryError, WriteTxn};

/// A content hash and the tenant that waits, to the second it stops waiting.
const AWAITED: TableDefinition<(&[u8; 32], &str), i64> = TableDefinition::new("awaited");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(AWAITED)?;
    Ok(())
}

/// Notes that a tenant waits for a bundle.
pub fn put(
    txn: &WriteTxn,
    hash: &ContentHash,
    tenant: &TenantId,
    until: Timestamp,
) -> Result<(), RegistryError> {
    txn.table(AWAITED)?.insert((hash.as_bytes(), tenant.as_str()), until.as_second())?;
    Ok(())
}

/// Whether a tenant waits for a bundle; it does so no longer.
pub fn take(txn: &WriteTxn, hash: &ContentHash, tenant: &TenantId) -> Result<bool, RegistryError> {
    let taken = txn.table(AWAITED)?.remove((hash.as_bytes(), tenant.as_str()))?.is_some();
    Ok(taken)
}

/// Whether a tenant waits for a bundle.
pub fn contains(
    txn: &impl ReadTables,
    hash: &ContentHash,
    tenant: &TenantId,
) -> Result<bool, RegistryError> {
    let rows = txn.rows(AWAITED)?;
    let row = rows.get((hash.as_bytes(), tenant.as_str()))?;
    Ok(row.is_some())
}

/// Forgets those who have waited too long.
pub fn remove_expired(txn: &WriteTxn, now: Timestamp) -> Result<(), RegistryError> {
    txn.table(AWAITED)?.retain(|_, until| now.as_second() < until)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, registry, tenant};

    #[test]
    fn a_tenant_that_waits_is_told_once() {
        let registry = registry();
        let hash = ContentHash::of(b"a");

        let taken = registry
            .write_blocking(|txn| {
                put(txn, &hash, &tenant("acme"), at(10))?;
                let other = take(txn, &hash, &tenant("other"))?;
                let known = contains(txn, &hash, &tenant("acme"))?;
                let twice = [(); 2].map(|()| take(txn, &hash, &tenant("acme")).unwrap());
                Ok((other, known, twice))
            })
            .unwrap();

        assert_eq!(taken, (false, true, [true, false]));
    }

    #[test]
    fn nobody_waits_forever() {
        let registry = registry();
        let hash = ContentHash::of(b"a");

        let waits = registry
            .write_blocking(|txn| {
                put(txn, &hash, &tenant("acme"), at(10))?;
                put(txn, &hash, &tenant("other"), at(11))?;
                remove_expired(txn, at(10))?;
                Ok(["acme", "other"].map(|id| contains(txn, &hash, &tenant(id)).unwrap()))
            })
            .unwrap();

        assert_eq!(waits, [false, true]);
    }
}
