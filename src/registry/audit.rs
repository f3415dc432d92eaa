//! Who did what, keyed by a number that only grows. Rows are never changed.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::model::AuditEvent;

use super::txn::{decode, encode};
use super::{ReadTables, RegistryError, WriteTxn};

/// A sequence number to a JSON [`AuditEvent`].
const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("audit");

pub(super) fn create_table(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(AUDIT)?;
    Ok(())
}

/// Appends an event and returns its number: 1 for the first.
pub fn append(txn: &WriteTxn, event: &AuditEvent) -> Result<u64, RegistryError> {
    let mut rows = txn.table(AUDIT)?;
    let number = rows.last()?.map_or(0, |(last, _)| last.value()) + 1;
    rows.insert(number, encode(&AUDIT, event)?.as_slice())?;
    Ok(number)
}

/// At most `limit` events with their numbers, the newest first, older than `before`.
pub fn list(
    txn: &impl ReadTables,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, AuditEvent)>, RegistryError> {
    let rows = txn.rows(AUDIT)?;
    let rows = rows.range(..before.unwrap_or(u64::MAX))?.rev().take(limit);
    rows.map(|row| {
        let (number, event) = row?;
        Ok((number.value(), decode(&AUDIT, event.value())?))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::samples::{audit_event, registry};

    #[test]
    fn events_are_listed_in_pages_from_the_newest() {
        let registry = registry();
        let numbers = registry
            .write_blocking(|txn| {
                Ok(["a", "b", "c"].map(|subject| append(txn, &audit_event(subject)).unwrap()))
            })
            .unwrap();
        assert_eq!(numbers, [1, 2, 3]);

        let (first, second) = registry
            .read_blocking(|txn| Ok((list(txn, None, 2)?, list(txn, Some(2), 2)?)))
            .unwrap();

        assert_eq!(first, [(3, audit_event("c")), (2, audit_event("b"))]);
        assert_eq!(second, [(1, audit_event("a"))]);
    }
}
