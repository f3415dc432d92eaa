//! Published versions, keyed by extension name and version number. They never change,
//! and go only by [`removals::bury`].

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use semver::Version;

use crate::model::{ContentHash, ExtensionName, ExtensionVersion, StarVersion};

use super::txn::{decode, encode, rows_of};
use super::{ReadTables, RegistryError, WriteTxn, removals};

/// `(name, version)` to a JSON [`ExtensionVersion`].
const VERSIONS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("versions");

/// A content hash to `(name, version)`.
const HASHES: TableDefinition<&[u8; 32], (&str, &str)> = TableDefinition::new("version_hashes");

/// What inserting a version found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// The version is new.
    Created,
    /// The version was there, with the same content.
    Unchanged,
    /// The version was there, with other content, which was kept.
    Taken,
    /// The version was removed: its number is not used again, whatever the content.
    Removed,
}

pub(super) fn create_tables(txn: &WriteTransaction) -> Result<(), RegistryError> {
    txn.open_table(VERSIONS)?;
    txn.open_table(HASHES)?;
    Ok(())
}

/// Inserts a version unless its key is in use.
pub fn insert(txn: &WriteTxn, version: &ExtensionVersion) -> Result<Insertion, RegistryError> {
    let number = version.version.to_string();
    let key = (version.name.as_str(), number.as_str());
    if removals::get_tombstone(txn, &version.name, &version.version)?.is_some() {
        return Ok(Insertion::Removed);
    }
    let mut rows = txn.table(VERSIONS)?;
    if let Some(row) = rows.get(key)? {
        let known: ExtensionVersion = decode(&VERSIONS, row.value())?;
        let same = known.content_hash == version.content_hash;
        return Ok(if same { Insertion::Unchanged } else { Insertion::Taken });
    }
    rows.insert(key, encode(&VERSIONS, version)?.as_slice())?;
    txn.table(HASHES)?.insert(version.content_hash.as_bytes(), key)?;
    Ok(Insertion::Created)
}

/// Takes a version out. What is left of it is for [`removals`] to keep.
pub(super) fn remove(
    txn: &WriteTxn,
    name: &ExtensionName,
    version: &Version,
    hash: &ContentHash,
) -> Result<(), RegistryError> {
    let number = version.to_string();
    txn.table(VERSIONS)?.remove((name.as_str(), number.as_str()))?;
    txn.table(HASHES)?.remove(hash.as_bytes())?;
    Ok(())
}

/// Inserts a bundle whose manifest says `X.Y.*` at the next free patch, and
/// writes into `version` what it became. Equal bytes keep the number they have, or had.
pub fn insert_at_star(
    txn: &WriteTxn,
    version: &mut ExtensionVersion,
    star: StarVersion,
) -> Result<Insertion, RegistryError> {
    if let Some(known) = get_by_hash(txn, &version.content_hash)? {
        *version = known;
        return Ok(Insertion::Unchanged);
    }
    let number = stands_for(txn, &version.content_hash, &version.name, star)?;
    let Some(number) = number else { return Ok(Insertion::Taken) };
    version.version = number.clone();
    version.manifest.version = number;
    insert(txn, version)
}

/// The version that `X.Y.*` stands for: that of the same bytes, also if it was removed, or
/// the next that is free.
pub fn stands_for(
    txn: &impl ReadTables,
    hash: &ContentHash,
    name: &ExtensionName,
    star: StarVersion,
) -> Result<Option<Version>, RegistryError> {
    if let Some(known) = get_by_hash(txn, hash)? {
        return Ok(Some(known.version));
    }
    match number_of_removed(txn, hash, name)? {
        Some(number) => Ok(Some(number)),
        None => next_of(txn, name, star),
    }
}

/// The number under which this very bundle was removed: its bytes get no other.
fn number_of_removed(
    txn: &impl ReadTables,
    hash: &ContentHash,
    name: &ExtensionName,
) -> Result<Option<Version>, RegistryError> {
    let removed = removals::list_tombstones_of(txn, name)?;
    let same = removed.into_iter().find(|tombstone| tombstone.content_hash == *hash);
    Ok(same.map(|tombstone| tombstone.version))
}

/// The next free patch of a line. The number of a removed version is not free.
fn next_of(
    txn: &impl ReadTables,
    name: &ExtensionName,
    star: StarVersion,
) -> Result<Option<Version>, RegistryError> {
    let removed = removals::list_tombstones_of(txn, name)?;
    let removed = removed.into_iter().map(|tombstone| tombstone.version);
    Ok(star.next(numbers_of(txn, name)?.into_iter().chain(removed)))
}

/// One version.
pub fn get(
    txn: &impl ReadTables,
    name: &ExtensionName,
    version: &Version,
) -> Result<Option<ExtensionVersion>, RegistryError> {
    let number = version.to_string();
    let rows = txn.rows(VERSIONS)?;
    let row = rows.get((name.as_str(), number.as_str()))?;
    row.map(|row| decode(&VERSIONS, row.value())).transpose()
}

/// The version whose bundle has this hash.
pub fn get_by_hash(
    txn: &impl ReadTables,
    hash: &ContentHash,
) -> Result<Option<ExtensionVersion>, RegistryError> {
    let hashes = txn.rows(HASHES)?;
    let Some(key) = hashes.get(hash.as_bytes())? else { return Ok(None) };
    let rows = txn.rows(VERSIONS)?;
    let row = rows.get(key.value())?;
    row.map(|row| decode(&VERSIONS, row.value())).transpose()
}

/// Every version, by name and then in no particular order.
pub fn list(txn: &impl ReadTables) -> Result<Vec<ExtensionVersion>, RegistryError> {
    let rows = txn.rows(VERSIONS)?;
    let rows = rows.iter()?;
    rows.map(|row| decode(&VERSIONS, row?.1.value())).collect()
}

/// The versions of one extension, the highest first.
pub fn list_of(
    txn: &impl ReadTables,
    name: &ExtensionName,
) -> Result<Vec<ExtensionVersion>, RegistryError> {
    let read = |_: &str, row: &[u8]| decode::<ExtensionVersion>(&VERSIONS, row);
    let mut versions = rows_of(txn, VERSIONS, name.as_str(), read)?;
    versions.sort_by(|a, b| b.version.cmp(&a.version));
    Ok(versions)
}

/// The highest version of an extension, by semantic versioning.
pub fn highest(
    txn: &impl ReadTables,
    name: &ExtensionName,
) -> Result<Option<Version>, RegistryError> {
    Ok(numbers_of(txn, name)?.into_iter().max())
}

/// The version numbers of one extension, in no particular order.
fn numbers_of(txn: &impl ReadTables, name: &ExtensionName) -> Result<Vec<Version>, RegistryError> {
    // Read from the key: decoding whole file tables for a number would be slow.
    let read = |number: &str, _: &[u8]| Ok(Version::parse(number).ok());
    Ok(rows_of(txn, VERSIONS, name.as_str(), read)?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
