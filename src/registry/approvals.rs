//! Operators' exceptions for exactly one bundle, keyed by content hash.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::{Approval, ContentHash};

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A content hash to a JSON [`Approval`].
const APPROVALS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("approvals");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(APPROVALS)?;
    Ok(())
}

/// Records an approval, in place of an older one.
pub fn put(txn: &WriteTxn, approval: &Approval) -> Result<(), RegistryError> {
    let row = encode(&APPROVALS, approval)?;
    txn.table(APPROVALS)?.insert(approval.content_hash.as_bytes(), row.as_slice())?;
    Ok(())
}

/// The approval of the bundle with this hash.
pub fn get(txn: &impl ReadTables, hash: &ContentHash) -> Result<Option<Approval>, RegistryError> {
    let rows = txn.rows(APPROVALS)?;
    let row = rows.get(hash.as_bytes())?;
    row.map(|row| decode(&APPROVALS, row.value())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{at, registry};

    #[test]
    fn an_approval_is_for_one_hash_only() {
        let registry = registry();
        let approval = Approval {
            content_hash: ContentHash::of(b"a"),
            reason: "built here".to_owned(),
            approved_by: "operator ada".to_owned(),
            approved_at: at(1),
        };

        registry.write_blocking(|txn| put(txn, &approval)).unwrap();

        let (same, other) = registry
            .read_blocking(|txn| {
                Ok((get(txn, &approval.content_hash)?, get(txn, &ContentHash::of(b"b"))?))
            })
            .unwrap();
        assert_eq!((same, other), (Some(approval), None));
    }
}
