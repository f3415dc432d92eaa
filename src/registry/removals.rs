//! Versions that are yanked or removed, keyed by extension name and version number.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use semver::Version;
use serde::de::DeserializeOwned;

use crate::model::{ContentHash, ExtensionName, Tombstone, Yank};

use super::txn::{decode, encode, rows_of};
use super::{ReadTables, RegistryError, WriteTxn, attachments, versions};

type Rows = TableDefinition<'static, (&'static str, &'static str), &'static [u8]>;

/// `(name, version)` to a JSON [`Yank`].
const YANKS: Rows = TableDefinition::new("yanks");

/// `(name, version)` to a JSON [`Tombstone`]. Rows are never removed.
const TOMBSTONES: Rows = TableDefinition::new("tombstones");

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(YANKS)?;
    txn.open_table(TOMBSTONES)?;
    Ok(())
}

/// Yanks a version; false, and nothing done, when it was yanked before.
pub fn yank(txn: &WriteTxn, yank: &Yank) -> Result<bool, RegistryError> {
    let known = get_yank(txn, &yank.name, &yank.version)?.is_some();
    if !known {
        let (number, row) = (yank.version.to_string(), encode(&YANKS, yank)?);
        txn.table(YANKS)?.insert((yank.name.as_str(), number.as_str()), row.as_slice())?;
    }
    Ok(!known)
}

/// Takes a yank back; false when there is none.
pub fn unyank(
    txn: &WriteTxn,
    name: &ExtensionName,
    version: &Version,
) -> Result<bool, RegistryError> {
    let number = version.to_string();
    Ok(txn.table(YANKS)?.remove((name.as_str(), number.as_str()))?.is_some())
}

/// Why a version is yanked, if it is.
pub fn get_yank(
    txn: &impl ReadTables,
    name: &ExtensionName,
    version: &Version,
) -> Result<Option<Yank>, RegistryError> {
    get(txn, YANKS, name, version)
}

/// Every yanked version, by name.
pub fn list_yanks(txn: &impl ReadTables) -> Result<Vec<Yank>, RegistryError> {
    list(txn, YANKS)
}

/// The yanked versions of one extension.
pub fn list_yanks_of(
    txn: &impl ReadTables,
    name: &ExtensionName,
) -> Result<Vec<Yank>, RegistryError> {
    list_of(txn, YANKS, name)
}

/// Removes a version with all that hangs on it, and leaves a tombstone.
pub fn bury(txn: &WriteTxn, tombstone: &Tombstone) -> Result<(), RegistryError> {
    let Tombstone { name, version, content_hash, .. } = tombstone;
    versions::remove(txn, name, version, content_hash)?;
    unyank(txn, name, version)?;
    attachments::remove_all(txn, content_hash)?;
    write(txn, tombstone)
}

/// What is left of a removed version.
pub fn get_tombstone(
    txn: &impl ReadTables,
    name: &ExtensionName,
    version: &Version,
) -> Result<Option<Tombstone>, RegistryError> {
    get(txn, TOMBSTONES, name, version)
}

/// The removed versions of one extension, the highest first.
pub fn list_tombstones_of(
    txn: &impl ReadTables,
    name: &ExtensionName,
) -> Result<Vec<Tombstone>, RegistryError> {
    let mut found: Vec<Tombstone> = list_of(txn, TOMBSTONES, name)?;
    found.sort_by(|a, b| b.version.cmp(&a.version));
    Ok(found)
}

/// The versions removed at `until` or before whose objects are still there.
pub fn due(txn: &impl ReadTables, until: Timestamp) -> Result<Vec<Tombstone>, RegistryError> {
    let all: Vec<Tombstone> = list(txn, TOMBSTONES)?;
    let is_due = |row: &Tombstone| !row.objects_removed && row.removed_at <= until;
    Ok(all.into_iter().filter(is_due).collect())
}

/// Remembers that the objects of a removed version are gone.
pub fn set_objects_removed(txn: &WriteTxn, tombstone: Tombstone) -> Result<(), RegistryError> {
    write(txn, &Tombstone { objects_removed: true, ..tombstone })
}

fn write(txn: &WriteTxn, tombstone: &Tombstone) -> Result<(), RegistryError> {
    let (number, row) = (tombstone.version.to_string(), encode(&TOMBSTONES, tombstone)?);
    txn.table(TOMBSTONES)?.insert((tombstone.name.as_str(), number.as_str()), row.as_slice())?;
    Ok(())
}

/// The bundles of versions removed after `since`: their objects stay that long.
pub fn removed_after(
    txn: &impl ReadTables,
    since: Timestamp,
) -> Result<Vec<ContentHash>, RegistryError> {
    let all: Vec<Tombstone> = list(txn, TOMBSTONES)?;
    let recent = all.into_iter().filter(|tombstone| tombstone.removed_at > since);
    Ok(recent.map(|tombstone| tombstone.content_hash).collect())
}

fn get<T: DeserializeOwned>(
    txn: &impl ReadTables,
    table: Rows,
    name: &ExtensionName,
    version: &Version,
) -> Result<Option<T>, RegistryError> {
    let number = version.to_string();
    let rows = txn.rows(table)?;
    let row = rows.get((name.as_str(), number.as_str()))?;
    row.map(|row| decode(&table, row.value())).transpose()
}

fn list<T: DeserializeOwned>(txn: &impl ReadTables, table: Rows) -> Result<Vec<T>, RegistryError> {
    let rows = txn.rows(table)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&table, row?.1.value())).collect()
}

fn list_of<T: DeserializeOwned>(
    txn: &impl ReadTables,
    table: Rows,
    name: &ExtensionName,
) -> Result<Vec<T>, RegistryError> {
    rows_of(txn, table, name.as_str(), |_, row| decode(&table, row))
}

#[cfg(test)]
mod tests;
