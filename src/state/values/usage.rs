//! What each owner has: counted in the transaction that changes it, never estimated.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::Bytes;
use crate::config::StateConfig;
use crate::state::{Owner, ReadTables, StateError, WriteTxn};

/// [`Owner`] to its namespaces, keys and bytes. No row: nothing.
const USAGE: TableDefinition<Bytes<'static>, (u64, u64, u64)> = TableDefinition::new("usage");

/// Owner and namespace to the keys in it. No row: none.
const NAMESPACES: TableDefinition<(Bytes<'static>, &str), u64> = TableDefinition::new("namespaces");

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), StateError> {
    txn.open_table(USAGE)?;
    txn.open_table(NAMESPACES)?;
    Ok(())
}

/// What an owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub namespaces: u64,
    pub keys: u64,
    /// Of values, with their keys and namespaces.
    pub bytes: u64,
}

/// What a write changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    had_key: bool,
    has_key: bool,
    old_bytes: u64,
    new_bytes: u64,
}

impl Change {
    pub(super) fn put(old_bytes: Option<u64>, new_bytes: u64) -> Self {
        let had_key = old_bytes.is_some();
        Self { had_key, has_key: true, old_bytes: old_bytes.unwrap_or(0), new_bytes }
    }

    pub(super) fn removal(old_bytes: u64) -> Self {
        Self { had_key: true, has_key: false, old_bytes, new_bytes: 0 }
    }

    /// A count of keys after it.
    fn keys(self, keys: u64) -> u64 {
        keys.saturating_sub(self.had_key.into()) + u64::from(self.has_key)
    }
}

/// What an owner has.
pub fn usage(txn: &impl ReadTables, owner: &Owner) -> Result<Usage, StateError> {
    let rows = txn.rows(USAGE)?;
    let row = rows.get(owner.as_bytes())?.map(|row| row.value()).unwrap_or_default();
    let (namespaces, keys, bytes) = row;
    Ok(Usage { namespaces, keys, bytes })
}

/// Whether an owner may have what it has after `change`.
///
/// Less than before is always fine: after a limit was lowered, too.
pub(super) fn fits(
    txn: &impl ReadTables,
    owner: &Owner,
    namespace: &str,
    change: Change,
    limits: &StateConfig,
) -> Result<bool, StateError> {
    let before = usage(txn, owner)?;
    let (after, _) = after(before, keys_in(txn, owner, namespace)?, change);
    Ok(is_allowed(before, after, limits))
}

/// Whether an owner may go from what it has to something else.
pub(super) const fn is_allowed(before: Usage, after: Usage, limits: &StateConfig) -> bool {
    const fn fits(before: u64, after: u64, limit: u64) -> bool {
        after <= limit || after <= before
    }
    fits(before.namespaces, after.namespaces, limits.max_namespaces)
        && fits(before.keys, after.keys, limits.max_keys)
        && fits(before.bytes, after.bytes, limits.max_bytes)
}

/// Counts a change.
pub(super) fn apply(
    txn: &WriteTxn,
    owner: &Owner,
    namespace: &str,
    change: Change,
) -> Result<(), StateError> {
    let (after, keys) = after(usage(txn, owner)?, keys_in(txn, owner, namespace)?, change);
    let bytes = owner.as_bytes();
    let mut namespaces = txn.table(NAMESPACES)?;
    if keys == 0 {
        namespaces.remove((bytes, namespace))?;
    } else {
        namespaces.insert((bytes, namespace), keys)?;
    }
    let mut rows = txn.table(USAGE)?;
    if after.keys == 0 {
        rows.remove(bytes)?;
    } else {
        rows.insert(bytes, (after.namespaces, after.keys, after.bytes))?;
    }
    Ok(())
}

/// Keys of an owner in one namespace.
pub(super) fn keys_in(
    txn: &impl ReadTables,
    owner: &Owner,
    namespace: &str,
) -> Result<u64, StateError> {
    let rows = txn.rows(NAMESPACES)?;
    Ok(rows.get((owner.as_bytes(), namespace))?.map_or(0, |row| row.value()))
}

/// What there is after a change in a namespace that had so many keys, and how many it has then.
pub(super) fn after(before: Usage, had: u64, change: Change) -> (Usage, u64) {
    let has = change.keys(had);
    let namespaces = before.namespaces + u64::from(has > 0) - u64::from(had > 0);
    let bytes = before.bytes.saturating_sub(change.old_bytes) + change.new_bytes;
    (Usage { namespaces, keys: change.keys(before.keys), bytes }, has)
}
