//! Versions that are yanked or removed, keyed by extension name and version number.

use jiff::Timestamp;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use semver::Version;
use serde::de::DeserializeOwned;

use crate::model::{ContentHash, ExtensionName, Tombstone, Yank};

use super::txn::{decode, encode};
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
    let rows = txn.rows(table)?;
    let mut found = Vec::new();
    for row in rows.range((name.as_str(), "")..)? {
        let (key, row) = row?;
        if key.value().0 != name.as_str() {
            break;
        }
        found.push(decode(&table, row.value())?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ExtensionVersion;
    use crate::registry::samples::{at, registry, version};
    use crate::registry::versions::Insertion;

    fn tombstone(version: &ExtensionVersion) -> Tombstone {
        Tombstone {
            name: version.name.clone(),
            version: version.version.clone(),
            content_hash: version.content_hash,
            removed_at: at(100),
            removed_by: "operator ada".to_owned(),
            objects_removed: false,
        }
    }

    #[test]
    fn the_number_of_a_removed_version_is_never_used_again() {
        let registry = registry();
        let (hello, again) = (version("hello", "1.0.0", "a"), version("hello", "1.0.0", "b"));
        let next = version("hello", "1.0.1", "c");

        let insertions = registry
            .write_blocking(|txn| {
                versions::insert(txn, &hello)?;
                bury(txn, &tombstone(&hello))?;
                let same = versions::insert(txn, &hello)?;
                Ok([same, versions::insert(txn, &again)?, versions::insert(txn, &next)?])
            })
            .unwrap();

        assert_eq!(insertions, [Insertion::Removed, Insertion::Removed, Insertion::Created]);
        let (rows, by_hash, graves) = registry
            .read_blocking(|txn| {
                let by_hash = versions::get_by_hash(txn, &hello.content_hash)?;
                Ok((versions::list(txn)?, by_hash, list_tombstones_of(txn, &hello.name)?))
            })
            .unwrap();
        assert_eq!((rows, by_hash, graves), (vec![next], None, vec![tombstone(&hello)]));
    }

    #[test]
    fn a_removed_bundle_counts_as_known_for_its_time_only() {
        let registry = registry();
        let hello = version("hello", "1.0.0", "a");
        registry.write_blocking(|txn| bury(txn, &tombstone(&hello))).unwrap();

        let recent = |since| registry.read_blocking(|txn| removed_after(txn, since)).unwrap();

        assert_eq!(recent(at(99)), [hello.content_hash]);
        assert!(recent(at(100)).is_empty());
    }

    #[test]
    fn the_objects_of_a_removed_version_are_due_at_their_time_and_once() {
        let registry = registry();
        let hello = version("hello", "1.0.0", "a");
        registry.write_blocking(|txn| bury(txn, &tombstone(&hello))).unwrap();
        let due_at = |second| registry.read_blocking(|txn| due(txn, at(second))).unwrap();
        assert!(due_at(99).is_empty());
        assert_eq!(due_at(100), [tombstone(&hello)]);

        registry.write_blocking(|txn| set_objects_removed(txn, tombstone(&hello))).unwrap();

        assert!(due_at(100).is_empty());
    }

    #[test]
    fn a_yank_is_taken_back_and_is_of_one_version() {
        let registry = registry();
        let yanked = |number: &str| Yank {
            name: "hello".parse().unwrap(),
            version: number.parse().unwrap(),
            yanked_at: at(1),
            yanked_by: "operator ada".to_owned(),
            reason: None,
        };
        let (first, second) = (yanked("1.0.0"), yanked("1.1.0"));
        let name = first.name.clone();
        let done = registry
            .write_blocking(|txn| Ok([yank(txn, &first)?, yank(txn, &first)?, yank(txn, &second)?]))
            .unwrap();
        assert_eq!(done, [true, false, true]);

        let back = registry
            .write_blocking(|txn| {
                Ok([unyank(txn, &name, &first.version)?, unyank(txn, &name, &first.version)?])
            })
            .unwrap();

        assert_eq!(back, [true, false]);
        let left = registry.read_blocking(|txn| list_yanks_of(txn, &name)).unwrap();
        assert_eq!(left, [second]);
    }
}
